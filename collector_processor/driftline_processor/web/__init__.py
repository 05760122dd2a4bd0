"""What people see: pages, API, Prometheus page, and the way in for outcomes over HTTP."""
