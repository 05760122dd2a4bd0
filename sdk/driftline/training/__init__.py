"""Training runs: resource usage, cost, and telemetry. May import export and lower layers."""
