"""The DuckDB file and its tables: rows, panes, series, baselines, streams. May import `config` and below."""
