"""Confidence intervals from sums of outcomes: closed forms, blocks of time, gradients. Imports outcomes/sums and
windows.
"""
