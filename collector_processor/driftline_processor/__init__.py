"""The Driftline processor: receives OTLP, forwards it unchanged, and evaluates the health of models."""
