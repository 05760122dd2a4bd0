"""Verdicts on surfaces: sign and sentence."""

from __future__ import annotations

from .sentences.verdict import (
    verdict_cause,
    verdict_certainty,
    verdict_next,
    verdict_reason,
    verdict_sentence,
    verdict_word,
)

__all__ = [
    "verdict_cause",
    "verdict_certainty",
    "verdict_next",
    "verdict_reason",
    "verdict_sentence",
    "verdict_sign",
    "verdict_word",
]

_SIGNS = {"degraded": "✕", "no_data": "○", "lagging": "…", "at_risk": "▲", "unknown": "?", "healthy": "✓"}


def verdict_sign(state: str) -> str:
    """Return the sign of a state, for readers who cannot see colours.

    >>> verdict_sign("healthy"), verdict_sign("at_risk")
    ('✓', '▲')
    """
    return _SIGNS[state]
