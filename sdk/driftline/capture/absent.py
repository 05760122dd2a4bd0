"""The marker for a value that was not given."""

from __future__ import annotations

from typing import Any

ABSENT: Any = object()
"""The value was not given. None cannot be the marker, because a model may return it."""
