"""The tree as functions, and the numbers they give; models and their parts for Python."""
