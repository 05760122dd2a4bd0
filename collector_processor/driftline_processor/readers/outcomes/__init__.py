"""Documents of outcomes (JSON, CSV, Parquet, Arrow) to columns, for HTTP, Kafka and files. May import `core`."""
