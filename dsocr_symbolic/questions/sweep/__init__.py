"""How a cost scales."""
