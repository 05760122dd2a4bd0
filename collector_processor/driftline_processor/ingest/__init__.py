"""Decoded requests to one transaction: new rows, panes, event time. May import `store` and below."""
