"""The facts that a message carries: keys, options, names, values and numbers, whatever its wording."""

from __future__ import annotations

import re
from typing import TypeAlias

Facts: TypeAlias = tuple[str, ...]
"""What a message has to contain."""


def lacking(text: str, *facts: str) -> list[str]:
    """Return the facts that a text does not contain."""
    return [fact for fact in facts if fact not in text]


def in_order(*facts: str) -> str:
    """Return the pattern of a message that contains these facts, in this order."""
    return ".*".join(map(re.escape, facts))
