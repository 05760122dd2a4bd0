"""Outcomes meet their predictions: matching, resolution, sums. Imports ingest and below."""
