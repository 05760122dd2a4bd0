"""Performance estimated without labels, from scores and the baseline.

May import `performance` and the packages below it. Estimates assume that P(y|x) is that of the reference, and do not
detect concept drift.
"""
