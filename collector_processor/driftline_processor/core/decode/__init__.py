"""OTLP requests to tables of predictions, outcomes and metric points. May import `histogram` only."""
