"""HTTP servers: ports, connections, request memory, browser guard; no route. May import `otlp`, `config` and below."""
