"""How a number, a formula, a table and a file are written."""
