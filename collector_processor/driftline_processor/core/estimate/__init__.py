"""How right the model is where nobody knows yet: estimates of performance that need no labels.

They assume that P(y|x) is what it was in the reference, and are blind to concept drift.
"""
