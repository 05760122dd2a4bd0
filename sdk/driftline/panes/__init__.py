"""Bins, and panes: mergeable sums of rows over bins. Imports tables; independent of models and exporters."""
