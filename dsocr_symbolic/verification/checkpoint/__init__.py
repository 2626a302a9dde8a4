"""The checkpoint's own modules as the judge."""
