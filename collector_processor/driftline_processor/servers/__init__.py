"""HTTP servers: ports, connections, request memory, browser guard; no routes. May import `otlp`, `config` and below."""
