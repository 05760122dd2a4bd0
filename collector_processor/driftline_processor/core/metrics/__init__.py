"""Metrics of performance: names, definitions, values from the sums of a pane. May import `intervals` and below."""
