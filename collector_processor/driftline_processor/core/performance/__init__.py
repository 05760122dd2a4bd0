"""Performance of a window: metrics with intervals, by slice, of the reference, and against objectives.

May import `labels`, `metrics`, `fairness` and below.
"""

from driftline_processor.core.metrics.log_loss_constant import log_loss_of_constant

from .realized import from_rows, realized

__all__ = ["from_rows", "log_loss_of_constant", "realized"]
