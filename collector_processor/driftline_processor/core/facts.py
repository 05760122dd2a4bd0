"""Facts: a kind and its values, without English; ``present.sentences`` has the words.

Code decides by kinds and values only, so other wording or another language changes the words only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import force_setattr


class Fact(Struct, frozen=True):
    """A statement as data.

    Attributes:
        kind: In snake_case; ``present.sentences`` has a maker of sentences for each kind.
        values: Numbers, names of columns and metrics, times and other facts, by name.
    """

    kind: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Replace lists by tuples, since stored tuples are read as lists."""
        if any(isinstance(value, list) for value in self.values.values()):
            values = {name: tuple(value) if isinstance(value, list) else value for name, value in self.values.items()}
            force_setattr(self, "values", values)

    def value(self, name: str) -> Any:
        """Return a value by its name; None if it is missing."""
        return self.values.get(name)


def fact(kind: str, **values: Any) -> Fact:
    """Return a fact.

    >>> fact("moved", column="age").value("column")
    'age'
    """
    return Fact(kind, values)


def facts_within(fact: Fact | None) -> Iterator[Fact]:
    """Yield a fact and the facts among its values, recursively.

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
    """Yield the names of the columns in a fact.

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
