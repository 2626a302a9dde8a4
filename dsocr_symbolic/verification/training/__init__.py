"""Gradient steps and peaks of memory, counted and compared with the formulas."""
