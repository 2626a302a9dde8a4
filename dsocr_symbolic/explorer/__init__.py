"""The explorer: one page that evaluates the compiled expressions in a browser."""
