"""Buffered entries to columns, on the background thread. Imports capture and what is below."""
