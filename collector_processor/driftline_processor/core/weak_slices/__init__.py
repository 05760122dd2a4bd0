"""Undeclared slices in which the model performs worse: found on half of the rows, confirmed on the others.

May import `concept`, `intervals` and below.
"""
