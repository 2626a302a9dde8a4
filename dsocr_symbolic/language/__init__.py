"""YAML and formulas read into checked data; nothing is computed here."""
