"""How many GPUs a number of pages takes, and what they cost."""
