"""Kinds of YAML files besides models and formulas, a module for each: what it may say, and how it is read."""
