"""The DuckDB file and its tables: rows, panes, series, baselines, training runs. May import `config` and below."""
