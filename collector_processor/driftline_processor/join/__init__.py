"""Join outcomes with predictions: matching, resolution, sums. May import `ingest` and below."""
