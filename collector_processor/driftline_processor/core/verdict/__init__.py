"""Verdicts: whether a model is healthy, since when, how certain this is, the cause, and what to do.

Verdicts are computed from evaluations on request and not stored, since a late outcome can change all of them. May
import every other package of core.
"""
