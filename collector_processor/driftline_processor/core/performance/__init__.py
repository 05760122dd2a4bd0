"""The performance of a window: metrics with intervals, of all rows, of slices and of the reference. Imports metrics."""

from driftline_processor.core.metrics.binary import log_loss_of_constant

from .realized import from_rows, realized

__all__ = ["from_rows", "log_loss_of_constant", "realized"]
