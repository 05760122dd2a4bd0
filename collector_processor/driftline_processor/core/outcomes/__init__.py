"""Outcomes of a window: their matching to predictions, their review, and their sums.

May import no other package of core.
"""
