"""The schema of a row: its field names and the span attributes that they need, computed once."""

from __future__ import annotations

import os
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from driftline.semconv import attributes as a
from driftline.tables.text import sendable

if TYPE_CHECKING:
    from driftline.privacy.policy import Guard

ROW_BYTES = 600
VALUE_BYTES = 40
_MOST_FEATURES = 64
_RESERVED = 32
"""Attributes of a span that are not features. Beyond the limit, Python drops the oldest attributes, such as the model
name.
"""


class RowSchema:
    """The names of a row's fields, in order.

    ``take`` returns the values of a row of ``width`` fields, or raises ``KeyError`` if the names differ, which is twice
    as fast as comparing names. ``keys``: attribute keys of the features on the span; ``pick`` selects their values from
    a row, None if all are used; ``dropped``: number of features over the limit. ``recorded`` and ``unrecorded``:
    attributes of a span whose row is, or is not, in a record, with placeholders for values: copying them costs half of
    growing a dict. ``id_index``: position of the id, if it is a field. ``cost``: approximate size of a row in bytes.

    Args:
        guard: Function that applies the privacy rules to the values of a row, before they are kept; None if there are
            none.
    """

    __slots__ = (
        "cost", "dropped", "guard", "id_index", "keys", "names", "pick", "recorded", "take", "unrecorded", "width",
    )  # fmt: skip

    def __init__(
        self,
        names: tuple[str, ...],
        id_field: str | None,
        is_feature: Callable[[str], bool],
        recorded: dict[str, Any],
        unrecorded: dict[str, Any],
        guard: Guard | None = None,
    ) -> None:
        self.names = names
        self.width = len(names)
        self.take = _taker(names)
        self.guard = guard
        self.id_index = names.index(id_field) if id_field in names else None
        self.cost = ROW_BYTES + VALUE_BYTES * len(names)
        positions = [i for i, name in enumerate(names) if is_feature(str(name))]
        kept_positions = positions[: min(_MOST_FEATURES, max(0, _attribute_limit() - _RESERVED))]
        self.dropped = len(positions) - len(kept_positions)
        self.keys = tuple(f"{a.DRIFTLINE_FEATURE_VALUE}.{sendable(str(names[i]))}" for i in kept_positions)
        self.pick = None if len(kept_positions) == len(names) else _picker(kept_positions)
        last = {a.DRIFTLINE_FEATURE_DROPPED: self.dropped} if self.dropped else {}
        features = {**dict.fromkeys(self.keys), **last}
        self.recorded = {**features, **recorded}  # a span that is full drops its oldest attributes: features first
        self.unrecorded = {**features, **unrecorded}


def _taker(names: tuple[str, ...]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda row: tuple([row[name] for name in names])


def _picker(positions: list[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    if len(positions) > 1:
        return itemgetter(*positions)
    return lambda values: tuple(values[i] for i in positions)


def _attribute_limit() -> int:
    for variable in ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"):
        text = os.environ.get(variable, "").strip()
        if text.isdigit():
            return int(text)
    return 128
