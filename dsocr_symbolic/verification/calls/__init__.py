"""Calls of real modules on tensors without values, counted and compared with the formulas."""
