"""Fairness between groups of people: criteria, intervals, verdicts. May import `intervals` and below."""
