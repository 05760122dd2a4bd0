"""Columns of predictions and outcomes, classes, ids, timestamps, their codec. Imports semconv and root leaves only."""
