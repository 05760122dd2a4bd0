"""Governance: scorecards of models, reviews of a period, the audit log, and people's decisions.

Everything is computed from data in memory, except decisions, which are stored.
"""
