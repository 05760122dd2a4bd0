"""Drift: false alarms and power of windows, as the product judges them; and what peers say of the same draws."""
