"""Predicted seconds beside measured ones: errors by component and operator, as a table, a page and a figure."""
