"""The value of what nobody said."""

from __future__ import annotations

from typing import Any

ABSENT: Any = object()
"""Nothing was said. None is no such mark: a model may return it."""
