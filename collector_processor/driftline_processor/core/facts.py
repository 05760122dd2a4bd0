"""Facts: what is so, as a kind and its values. A fact holds no English: ``present.sentences`` has the words.

Code decides by kinds and values alone, so another wording, or another language, changes nothing but the words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import force_setattr


class Fact(Struct, frozen=True):
    """Something that is so.

    Attributes:
        kind: What it is, in snake_case; ``present.sentences`` has a maker of sentences for each kind.
        values: Numbers, names of columns and metrics, times and other facts, by name.
    """

    kind: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Hold tuples in place of lists, as which stored tuples are read."""
        if any(isinstance(value, list) for value in self.values.values()):
            values = {name: tuple(value) if isinstance(value, list) else value for name, value in self.values.items()}
            force_setattr(self, "values", values)

    def value(self, name: str) -> Any:
        """Return a value by its name; None if the fact has none of that name."""
        return self.values.get(name)


def fact(kind: str, **values: Any) -> Fact:
    """Return a fact.

    >>> fact("moved", column="age").value("column")
    'age'
    """
    return Fact(kind, values)


def facts_within(fact: Fact | None) -> Iterator[Fact]:
    """Yield a fact and the facts that are values of it.

    >>> [one.kind for one in facts_within(fact("likely_cause", cause=fact("cause")))]
    ['likely_cause', 'cause']
    """
    if fact is not None:
        yield fact
        for value in fact.values.values():
            if isinstance(value, Fact):
                yield from facts_within(value)


_ONE, _SEVERAL = ("column", "signal_column"), ("features", "columns", "names", "others")


def columns_of(fact: Fact | None) -> Iterator[str]:
    """Yield the names of the columns that a fact is about.

    >>> list(columns_of(fact("repair_columns", columns=("age",), fault=fact("finding", features=("age", "plan")))))
    ['age', 'age', 'plan']
    """
    for one in facts_within(fact):
        for name, value in one.values.items():
            if (name in _ONE and value) or (name == "name" and one.kind == "column_moved"):
                yield value
            elif name in _SEVERAL:
                yield from value
            elif hasattr(value, "features") and isinstance(value.features, tuple):
                yield from value.features
