"""OTLP requests to tables of predictions, outcomes and metric points. Imports the SDK's tables and core/histogram."""
