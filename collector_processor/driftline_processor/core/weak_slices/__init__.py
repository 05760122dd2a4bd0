"""Slices nobody declared in which the model is weak: found on half of the rows, confirmed on the others.

May import `concept`, `intervals` and below.
"""
