"""Outcomes of a window: the prediction each belongs to, which were reviewed, and their sums.

May import no room of core.
"""
