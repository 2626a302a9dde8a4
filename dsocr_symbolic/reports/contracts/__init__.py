"""Artifacts by contract: reports, operator lists and messages that other programs read, with their schemas."""
