"""How right the model was: metrics from the sums of a pane, or exactly from rows."""

from .realized import from_rows, realized

__all__ = ["from_rows", "realized"]
