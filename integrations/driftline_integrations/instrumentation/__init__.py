"""Instrumentors, wrapped methods and hooks of a library. Imports the SDK and no other room."""
