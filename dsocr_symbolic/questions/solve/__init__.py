"""Which value of a symbol meets a constraint."""
