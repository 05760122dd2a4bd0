"""Convert documents of outcomes (JSON, CSV, Parquet, Arrow) to columns. May import `core`."""
