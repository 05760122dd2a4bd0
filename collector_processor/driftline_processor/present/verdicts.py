"""Verdicts as surfaces show them: sign, sentence and order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from driftline_processor.core.evaluation import Verdict
from driftline_processor.core.verdict import rank_state

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
    "worst_first",
]

T = TypeVar("T")

_SIGNS = {"degraded": "✕", "no_data": "○", "lagging": "…", "at_risk": "▲", "unknown": "?", "healthy": "✓"}


def verdict_sign(state: str) -> str:
    """Return the sign of a state, for readers to whom colours say nothing.

    >>> verdict_sign("healthy"), verdict_sign("at_risk")
    ('✓', '▲')
    """
    return _SIGNS[state]


def worst_first(known: Iterable[T], verdict: Callable[[T], Verdict | None]) -> list[T]:
    """Sort by verdict, the worst first; what has none comes last, and equals stay in their order."""

    def rank(one: T) -> int:
        found = verdict(one)
        return 99 if found is None else rank_state(found.state)

    return sorted(known, key=rank)
