"""Instrumentors, wrapped methods and hooks of a library. Imports only the SDK."""
