"""Where one cost passes another."""
