"""Outcomes meet their predictions: matching, resolution, sums. May import `ingest` and below."""
