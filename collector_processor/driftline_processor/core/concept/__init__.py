"""Concept drift: whether the model is wrong more often than it was, found on the stream of its errors.

Blind without outcomes: what is fed is one value per first outcome, in the order in which outcomes come.
"""

from .errors import errors_of, reference_loss
from .stream import Settings, Stream

__all__ = ["Settings", "Stream", "errors_of", "reference_loss"]
