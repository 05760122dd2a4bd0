"""Labels: which rows to label next, how late outcomes come, whether they keep their SLA.

May import `weak_slices`, `drift`, `intervals` and below.
"""
