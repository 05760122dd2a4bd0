"""How a service answered: calls, failures and latency of a window, a slice or a version."""
