"""The reference of a window: the baseline, or one derived from it by season, threshold or time.

May import `expectations`, `drift` and the packages below them.
"""
