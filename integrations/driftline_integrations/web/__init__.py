"""Routes, requests and responses that FastAPI and Flask share. Imports instrumentation and the SDK; no framework."""
