"""The registry of words for facts: one maker per kind of fact. Every sentence about a fact passes through here.

A maker receives the values of its kind of fact and returns a clause, or several forms of it, the longest first.
Other functions that create sentences are marked :func:`worded`. Behaviour must not depend on :data:`voice`: a
test replaces it and checks that states, buttons, links and counts stay the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import ParamSpec

from driftline_processor.core.facts import Fact

P = ParamSpec("P")
Clause = str | tuple[str, ...]
"""A clause of a sentence, or several forms of it, the longest first."""

_MAKERS: dict[str, Callable[..., Clause]] = {}


def as_written(text: str) -> str:
    """Return a text unchanged."""
    return text


voice: Callable[[str], str] = as_written
"""The last step of every sentence."""


def voice_of(text: str) -> str:
    """Apply :data:`voice` to a text."""
    return voice(text)


def words_of(kind: str) -> Callable[[Callable[P, Clause]], Callable[P, Clause]]:
    """Register the maker of words for a kind of fact."""

    def register(maker: Callable[P, Clause]) -> Callable[P, Clause]:
        assert kind not in _MAKERS or _MAKERS[kind].__qualname__ == maker.__qualname__, kind
        _MAKERS[kind] = maker
        return maker

    return register


def words_as(templates: Mapping[str, str]) -> None:
    """Register clauses that only contain values of their fact: kind of the fact → template of ``str.format``."""
    for kind, template in templates.items():
        words_of(kind)(template.format)


def worded(maker: Callable[P, str]) -> Callable[P, str]:
    """Apply :data:`voice` to the result of a function."""

    @wraps(maker)
    def say(*args: P.args, **values: P.kwargs) -> str:
        return voice(maker(*args, **values))

    return say


def forms(fact: Fact | None) -> tuple[str, ...]:
    """Return the forms of the clause about a fact, the longest first; () without a fact."""
    if fact is None:
        return ()
    clause = _MAKERS[fact.kind](**fact.values)
    return tuple(voice(form) for form in ((clause,) if isinstance(clause, str) else clause) if form)


def plain_forms(fact: Fact) -> tuple[str, ...]:
    """Return the forms of the clause about a fact without :data:`voice`, for words that are shortened first."""
    made = _MAKERS[fact.kind](**fact.values)
    return tuple(form for form in ((made,) if isinstance(made, str) else made) if form)


def clause(fact: Fact | None) -> str:
    """Return the longest clause about a fact; "" without a fact."""
    return next(iter(forms(fact)), "")


def clauses(facts: Iterable[Fact]) -> tuple[str, ...]:
    """Return the longest clauses about facts without duplicates."""
    return tuple(dict.fromkeys(map(clause, facts)))


def kinds() -> Iterator[str]:
    """Yield the kinds of facts that have words."""
    yield from _MAKERS
