"""Bins, and panes: mergeable sums of rows over bins. Imports tables; knows no models and no exporters."""
