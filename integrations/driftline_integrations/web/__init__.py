"""What FastAPI and Flask share: routes, requests, responses. Imports instrumentation and the SDK; no framework."""
