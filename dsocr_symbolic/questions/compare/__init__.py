"""What changes, and because of what."""
