"""Performance without labels, estimated from scores and what the baseline learned. Imports metrics and performance.

They assume that P(y|x) is what it was in the reference, and are blind to concept drift.
"""
