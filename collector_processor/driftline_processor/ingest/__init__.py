"""Decoded requests to one transaction: new rows, panes, event time. Imports store and below."""
