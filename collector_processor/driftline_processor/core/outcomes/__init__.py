"""Outcomes of a window: which prediction each belongs to, which were reviewed, and their sums. Imports only tables of
the SDK.
"""
