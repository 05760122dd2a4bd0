"""Performance without labels, from scores and what the baseline learned. May import `performance` and below.

Estimates assume that P(y|x) is that of the reference, and are blind to concept drift.
"""
