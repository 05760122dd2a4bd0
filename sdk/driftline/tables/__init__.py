"""Columns of predictions and outcomes, classes, ids, timestamps, and their codec.

Imports only semconv and root modules.
"""
