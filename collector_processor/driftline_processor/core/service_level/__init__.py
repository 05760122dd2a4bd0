"""Service level: calls, failures and latency of a window, a slice or a version."""
