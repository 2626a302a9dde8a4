"""Every formula changed in one place at a time: a count must tell."""
