"""Metrics of performance: names, definitions, values from the sums of a pane. Imports outcomes/sums and intervals."""
