"""Performance of a window: metrics with intervals, by slice, of the reference, and against objectives.

May import `labels`, `metrics`, `fairness` and below.
"""
