"""HTTP servers: ports, connections, request memory, browser guard. Imports otlp, config; knows no route."""
