"""Families of calls on which agreement at a few points is agreement everywhere."""
