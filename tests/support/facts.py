"""The facts that a message carries: keys, options, names, values and numbers, whatever its wording."""

from __future__ import annotations


def lacking(text: str, *facts: str) -> list[str]:
    """Return the facts that a text does not contain."""
    return [fact for fact in facts if fact not in text]
