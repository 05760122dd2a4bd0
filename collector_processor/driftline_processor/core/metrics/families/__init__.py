"""Shared code per kind of metric: confusion matrix, losses, ranked lists, score order, costs.

May import the same packages as `core/metrics`.
"""
