"""Values that could not be recorded, counted by reason on their way to ``driftline.sdk.unusable.values``."""

from __future__ import annotations

from .waiting import Waiting

UNDECLARED_TEXT = "undeclared_text"
"""A text of more than 256 characters that no ``text_features=`` names: it stays home."""
VECTOR_LENGTH = "vector_length"
"""A vector of another length than most of its feature's, or a value that is none among vectors."""
VECTOR_TOO_LONG = "vector_too_long"
"""A vector of more than 4,096 numbers."""
UNSUPPORTED_VALUE = "unsupported_value"
"""A value that is no number, text, boolean or time: a nested object, a complex number, an element that is no row."""
TOO_MANY_FEATURES = "too_many_features"
"""A column beyond the first 1,000 features, or beyond the cells that are made of a sparse batch."""
DUPLICATE_NAME = "duplicate_name"
"""A column whose name an earlier one has."""
NO_SUCH_FIELD = "no_such_field"
"""A time or a slice that is to come from a field which the input does not have."""


UNUSABLE = Waiting[str]()
"""Reason → values."""
