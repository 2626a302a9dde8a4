"""Proof that the formulas are right: counts of real modules against the numbers of the formulas."""
