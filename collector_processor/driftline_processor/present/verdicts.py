"""Say a verdict: its state in words, its sentence and what to do, the same on every surface."""

from __future__ import annotations

from typing import TypeVar

from driftline_processor.core.evaluation import Verdict
from driftline_processor.core.wording import printable

T = TypeVar("T")

_SIGNS = {"degraded": "✕", "no_data": "○", "lagging": "…", "at_risk": "▲", "unknown": "?", "healthy": "✓"}


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
    # 30: words of the longest beginning of a sentence: whether the model is healthy, of which version, and since when
    return reason[:1].upper() + reason[1:] if reason and len(head.split()) <= 30 else sentence


def verdict_next(verdict: Verdict) -> str:
    """Return what to do."""
    return printable(verdict.next)
