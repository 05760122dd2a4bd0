"""Confidence intervals from sums of outcomes: closed forms, blocks of time, gradients.

May import `evaluation` and below.
"""
