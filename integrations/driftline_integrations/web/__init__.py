"""Routes, requests and responses, shared by FastAPI and Flask. Imports instrumentation and the SDK; no framework."""
