"""A Markdown page for every formula, with the numbers put in."""
