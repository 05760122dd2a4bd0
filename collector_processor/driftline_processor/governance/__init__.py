"""What people answer for: scorecards of models, reviews of a period, and the decisions that people took.

Everything is read from what is in memory, but decisions, which are stored.
"""
