"""The number worlds in which a formula is evaluated: exact numbers, sympy, branches at a point, numpy, torch."""
