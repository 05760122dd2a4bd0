"""Expectations of the data: rules, counted from rows or bounded from bins, each met, broken or unknown.

May import `quality` and below.
"""
