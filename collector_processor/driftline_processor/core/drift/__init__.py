"""Drift of a window: the decision rule and its statistics. May import `evaluation` and the packages below it."""
