"""Concept drift: whether the model is wrong more often than before, found on the stream of its losses.

Blind without outcomes: a detector takes one loss per first outcome, in the order in which outcomes come. May import
`evaluation` and below.
"""

from .losses import losses_of_rows, reference_loss
from .stream import Stream

__all__ = ["Stream", "losses_of_rows", "reference_loss"]
