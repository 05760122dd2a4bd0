"""The DuckDB file and its tables: rows, panes, series, baselines, streams. Imports core, config and receipts."""
