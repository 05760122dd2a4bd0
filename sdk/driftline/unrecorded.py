"""What could not be recorded of predictions that were made, counted by model and reason, until the next flush."""

from __future__ import annotations

from .waiting import Waiting

UNSUPPORTED_INPUT = "unsupported_input"
"""An input that is neither a row nor a batch of rows."""
NOT_COLLECTED = "not_collected"
"""A lazy frame: collecting it is the caller's to do."""
ON_DEVICE = "on_device"
"""A tensor on an accelerator: copying it would make the caller wait for the device."""
TOO_LARGE = "too_large"
"""A batch of more than 24 MiB, or a row of more than 100,000 values."""
UNREADABLE_INPUT = "unreadable_input"
"""An input that raises where it is read, such as an object whose own methods do."""
UNREAD_RESULT = "unread_result"
"""A result that is no score, class, value or ranking."""
SCORE_NOT_A_NUMBER = "score_not_a_number"
"""A score that is NaN or infinite, or a text among numbers."""


UNRECORDED = Waiting[tuple[str, str]]()
"""Model and reason → predictions."""
