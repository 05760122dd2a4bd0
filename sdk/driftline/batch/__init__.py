"""From buffered entries to columns, on the background thread. Imports capture and lower layers."""
