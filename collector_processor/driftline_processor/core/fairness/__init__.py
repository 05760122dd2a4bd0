"""Fairness between groups of people: criteria, intervals, results. May import `intervals` and below."""
