"""Causes of drift: the feature, the range, the slice, the first day, and the effect on the score.

May import `quality`, `drift` and below.
"""
