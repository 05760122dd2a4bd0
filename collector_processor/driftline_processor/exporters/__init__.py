"""Ways out: forwarded requests, derived metrics, outcome spans. Imports queries, otlp and config."""
