"""Fairness between groups of people: criteria, intervals, verdicts. Imports intervals."""
