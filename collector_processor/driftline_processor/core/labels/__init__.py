"""Labels: which rows to label next, the delay of outcomes, and the SLA on their arrival.

May import `weak_slices`, `drift`, `intervals` and below.
"""
