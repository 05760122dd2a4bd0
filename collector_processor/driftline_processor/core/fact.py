"""Facts: statements as data, without English; ``present.sentences`` has the words.

Code decides by kinds and fields only, so other wording or another language changes the words only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Annotated, dataclass_transform, get_type_hints

from msgspec import Struct

ColumnName = Annotated[str, "column"]
"""A field with the name of a column of the user, see :func:`columns_of`; "" = none."""
ColumnNames = tuple[ColumnName, ...]


@cache
def kind_name(class_name: str) -> str:
    """Return the name of a kind of fact, which is stored.

    >>> kind_name("NoPrediction")
    'no_prediction'
    """
    return re.sub(r"(?<!^)(?=[A-Z])", "_", class_name).lower()


class Fact:
    """A statement as data. Its kind is its class; :mod:`~driftline_processor.core.facts` has all kinds."""

    __slots__ = ()

    @property
    def kind(self) -> str:
        """The name of its kind."""
        return kind_name(type(self).__qualname__)


@dataclass_transform(frozen_default=True)  # for mypy: msgspec inherits frozen
class FactStruct(Fact, Struct, frozen=True, tag_field="kind", tag=kind_name):
    """The base of all kinds. Classes between it and a kind only have fields in common."""


class UnknownFact(FactStruct):
    """A stored fact of a kind, or with fields, that this release does not know. It has no words."""

    stored_kind: str


def facts_within(fact: Fact | None) -> Iterator[FactStruct]:
    """Yield a fact and the facts among its fields, recursively.

    >>> from driftline_processor.core import facts
    >>> [one.kind for one in facts_within(facts.LookAgain(facts.CheckService()))]
    ['look_again', 'check_service']
    """
    if isinstance(fact, FactStruct):
        yield fact
        for name in fact.__struct_fields__:
            value = getattr(fact, name)
            if isinstance(value, Fact):
                yield from facts_within(value)


@cache
def _column_fields(kind: type[FactStruct]) -> tuple[str, ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple(name for name, hint in hints.items() if hint in (ColumnName, ColumnNames))


def columns_of(fact: Fact | None) -> Iterator[str]:
    """Yield the names of the columns in a fact.

    >>> from driftline_processor.core import facts
    >>> list(columns_of(facts.RepairColumns(facts.RelationChanged(("age", "plan")), ("age",))))
    ['age', 'age', 'plan']
    """
    for one in facts_within(fact):
        for name in _column_fields(type(one)):
            value = getattr(one, name)
            yield from filter(None, (value,)) if isinstance(value, str) else value
