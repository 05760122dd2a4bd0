"""Confidence intervals from sums of outcomes: closed forms, time blocks, gradients.

May import `evaluation` and the packages below it.
"""
