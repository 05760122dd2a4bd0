"""Exporters: forwarded requests, derived metrics, outcome spans. May import `queries` and below."""
