"""Convert documents of outcomes (JSON, NDJSON, CSV) to columns. May import `core`."""
