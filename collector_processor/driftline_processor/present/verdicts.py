"""Say a verdict: its state in words, its sentence and what to do, the same on every surface."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from driftline_processor.core.evaluation import Verdict
from driftline_processor.core.verdict import rank_state
from driftline_processor.core.wording import printable

T = TypeVar("T")


def verdict_word(state: str) -> str:
    """Write the state of a verdict.

    >>> verdict_word("at_risk")
    'at risk'
    """
    return state.replace("_", " ")


def verdict_sentence(verdict: Verdict) -> str:
    """Return the one sentence that says whether the model is right, without characters that move a cursor."""
    return printable(verdict.sentence)


def verdict_next(verdict: Verdict) -> str:
    """Return what to do."""
    return printable(verdict.next)


def worst_first(known: Iterable[T], verdict: Callable[[T], Verdict | None]) -> list[T]:
    """Sort by verdict, the worst first; what has none comes last, and equals stay in their order."""

    def rank(one: T) -> int:
        found = verdict(one)
        return 99 if found is None else rank_state(found.state)

    return sorted(known, key=rank)
