"""Say a verdict: its state in words, its sentence and what to do, the same on every surface."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from driftline_processor.core.evaluation import Verdict
from driftline_processor.core.verdict import rank_state
from driftline_processor.core.wording import printable

T = TypeVar("T")

_SIGNS = {"degraded": "✕", "no_data": "○", "lagging": "…", "at_risk": "▲", "unknown": "?", "healthy": "✓"}

_HEAD = 30
"""Words of the longest beginning of a sentence: whether the model is healthy, of which version, and since when."""


def verdict_word(state: str) -> str:
    """Write the state of a verdict.

    >>> verdict_word("at_risk")
    'at risk'
    """
    return state.replace("_", " ")


def verdict_sign(state: str) -> str:
    """Return the sign of a state, for readers to whom colours say nothing.

    >>> verdict_sign("healthy"), verdict_sign("at_risk")
    ('✓', '▲')
    """
    return _SIGNS[state]


def verdict_sentence(verdict: Verdict) -> str:
    """Return the one sentence that says whether the model is healthy, without characters that move a cursor."""
    return printable(verdict.sentence)


def verdict_reason(verdict: Verdict) -> str:
    """Return what the sentence says after whether and since when: how much, why and what to do."""
    sentence = verdict_sentence(verdict)
    head, _, reason = sentence.partition(": ")
    return reason[:1].upper() + reason[1:] if reason and len(head.split()) <= _HEAD else sentence


def verdict_next(verdict: Verdict) -> str:
    """Return what to do."""
    return printable(verdict.next)


def worst_first(known: Iterable[T], verdict: Callable[[T], Verdict | None]) -> list[T]:
    """Sort by verdict, the worst first; what has none comes last, and equals stay in their order."""

    def rank(one: T) -> int:
        found = verdict(one)
        return 99 if found is None else rank_state(found.state)

    return sorted(known, key=rank)
