"""Expectations of the data: rules, counted from rows or bounded from bins, each met, broken or inconclusive.

May import `quality` and below.
"""
