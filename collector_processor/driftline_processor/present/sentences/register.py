"""The registry of words for facts: one maker per kind of fact. Every sentence about a fact passes through here.

A maker receives a fact of its kind and returns a clause, or several forms of it, the longest first.
Other functions that create sentences are marked :func:`worded`. Behaviour must not depend on :data:`voice`: a
test replaces it and checks that states, buttons, links and counts stay the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar

from msgspec import structs

from driftline_processor.core.fact import Fact, FactStruct, UnknownFact

P = ParamSpec("P")
F = TypeVar("F", bound=Fact)
R = TypeVar("R")
Clause = str | tuple[str, ...]
"""A clause of a sentence, or several forms of it, the longest first."""


class Makers(dict[type[Fact], Callable[[Any], R]], Generic[R]):
    """Functions of a fact, by its kind."""

    def of(self, *kinds: type[F]) -> Callable[[Callable[[F], R]], Callable[[F], R]]:
        """Register the function for kinds of facts."""

        def register(maker: Callable[[F], R]) -> Callable[[F], R]:
            for kind in kinds:
                assert kind not in self or self[kind].__qualname__ == maker.__qualname__, kind
                self[kind] = maker
            return maker

        return register


_MAKERS = Makers[Clause]()
words_of = _MAKERS.of


def as_written(text: str) -> str:
    """Return a text unchanged."""
    return text


voice: Callable[[str], str] = as_written
"""The last step of every sentence."""


def voice_of(text: str) -> str:
    """Apply :data:`voice` to a text."""
    return voice(text)


def words_as(templates: Mapping[type[FactStruct], str]) -> None:
    """Register clauses that only contain fields of their fact: kind of the fact → template of ``str.format``."""
    for kind, template in templates.items():
        words_of(kind)(_of_template(template))


def _of_template(template: str) -> Callable[[FactStruct], str]:
    return lambda fact: template.format(**structs.asdict(fact))


words_as({UnknownFact: ""})


def worded(maker: Callable[P, str]) -> Callable[P, str]:
    """Apply :data:`voice` to the result of a function."""

    @wraps(maker)
    def say(*args: P.args, **values: P.kwargs) -> str:
        return voice(maker(*args, **values))

    return say


def forms(fact: Fact | None) -> tuple[str, ...]:
    """Return the forms of the clause about a fact, the longest first; () without a fact."""
    return () if fact is None else tuple(map(voice, plain_forms(fact)))


def plain_forms(fact: Fact) -> tuple[str, ...]:
    """Return the forms of the clause about a fact without :data:`voice`, for words that are shortened first."""
    made = _MAKERS[type(fact)](fact)
    return tuple(form for form in ((made,) if isinstance(made, str) else made) if form)


def clause(fact: Fact | None) -> str:
    """Return the longest clause about a fact; "" without a fact."""
    return next(iter(forms(fact)), "")


def clauses(facts: Iterable[Fact]) -> tuple[str, ...]:
    """Return the longest clauses about facts without duplicates."""
    return tuple(dict.fromkeys(filter(None, map(clause, facts))))


def kinds() -> Iterator[type[Fact]]:
    """Yield the kinds of facts that have words."""
    yield from _MAKERS
