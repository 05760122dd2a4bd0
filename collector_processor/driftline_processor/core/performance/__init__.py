"""How right the model was: metrics from the sums of a pane, or exactly from rows."""

from .binary import log_loss_of_constant
from .realized import from_rows, realized

__all__ = ["from_rows", "log_loss_of_constant", "realized"]
