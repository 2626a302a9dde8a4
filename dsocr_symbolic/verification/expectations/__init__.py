"""What files say besides operators and layers, said once more from definitions, in plain Python and its own words.

Verification is the one place where Python may hold formulas: each statement yields what it is about, what the files
give, and what must come out. The proof of a mutant is that it contradicts one of them.
"""
