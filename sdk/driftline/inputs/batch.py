"""A batch of n rows: the result of a reader for several predictions, and the reason if an input cannot be recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from driftline.faults import FAULTS, logger
from driftline.loss_counters import TOO_LARGE

from .row import Row
from .values import Columns, UnusableColumn, column_of_any

Reader = Callable[[Any], "Row | Batch | Unrecorded"]
"""Reads one input of a known type."""

FeatureTest = Callable[[str], bool]
"""Returns whether a column of this name is read."""


MOST_BYTES = 24 * 2**20
"""Maximum bytes of one snapshot, so that the buffer of 32 MiB still has space for other rows."""


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """An input whose features cannot be recorded.

    Attributes:
        reason: Reason of :mod:`driftline.loss_counters`.
        fix: Sentence with the fix; "" if there is none.
        rows: Number of rows; None if unknown, which counts as one row.
        is_row: Whether the input can also be one row, such as one image of three dimensions: the result decides.
        given: Description of the input.
    """

    reason: str
    fix: str = ""
    rows: int | None = None
    is_row: bool = False
    given: str = ""


class Batch:
    """n rows as they were given, without a copy; :meth:`bounded_snapshot` copies them.

    Attributes:
        count: Number of rows.
        cost: Approximate size of a snapshot in bytes.
        row: The same input as one row, if only the result can decide whether it is one row or n rows: names (None
            without names), and values that are not clean yet. None if it is a batch in any case.
        unrecorded: Reason why its features are not recorded, if the warning waits for the decision about the rows.
        index: Index of pandas with a label per row; None without one.
    """

    count: int
    cost: int
    row: Row | None = None
    unrecorded: Unrecorded | None = None
    index: Any = None

    def bounded_snapshot(self, id_field: str | None = None) -> Batch | Unrecorded:
        """Return the snapshot, which later changes do not affect, unless it is larger than ``MOST_BYTES``.

        Args:
            id_field: Name of the column of ids, whose values stay exact.
        """
        if self.cost > MOST_BYTES:
            return self._too_large()
        snapshot = self.snapshot(id_field)
        return snapshot if snapshot.cost <= MOST_BYTES else snapshot._too_large()

    def _too_large(self) -> Unrecorded:
        room = max(1, self.count * MOST_BYTES // self.cost)
        fix = f"at most {MOST_BYTES >> 20} MiB of features are recorded per call; predict {room:,} rows at a time"
        return Unrecorded(TOO_LARGE, fix, self.count)

    def snapshot(self, id_field: str | None = None) -> Batch:  # noqa: ARG002 - of those that copy
        """Return a copy; by default the batch itself, which is immutable."""
        return self

    def as_batch(self, id_field: str | None = None) -> Batch:  # noqa: ARG002 - of columns
        """Return the batch for an input that could also have been one row; by default the batch itself."""
        return self

    def names(self) -> tuple[str, ...] | None:
        """Return the feature names; by default None, for an input without names."""
        return None

    def index_names(self) -> tuple[str, ...]:
        """Return the names of the index of a pandas DataFrame, which is not among the columns."""
        return ()

    def width(self) -> int:
        """Return the number of columns; by default, of the names."""
        return len(self.names() or ())

    def values(self, at: int) -> Any:
        """Return one column in its own type, for :func:`~.column.read_column`."""
        raise NotImplementedError

    def in_order(self, result: Any) -> Any:
        """Return a Series or DataFrame with the labels of these rows in their order; other results as they are."""
        if self.index is None or not hasattr(result, "iloc"):
            return result
        return in_order_of(self.index, result)

    def strangers(self) -> int:
        """Return the number of elements that are not rows; by default 0."""
        return 0

    def unusable(self, names: tuple[str, ...]) -> dict[str, str]:
        """Return the columns with values that the snapshot could not keep: name → name of the type of one of them.

        Args:
            names: Names of all columns, in their order.
        """
        columns = {} if type(self).values is Batch.values else {name: self.values(at) for at, name in enumerate(names)}
        return {name: column.kind for name, column in columns.items() if isinstance(column, UnusableColumn)}

    def columns(self, names: tuple[str, ...], is_feature: FeatureTest) -> Columns:
        """Read the columns for which ``is_feature`` is true, on the background thread.

        Args:
            names: Names of all columns, in their order.
            is_feature: Returns whether a column is read; called once per column, in order.
        """
        return {name: column_of_any(self.values(index)) for index, name in enumerate(names) if is_feature(name)}


class Featureless(Batch):
    """n rows without recorded features: only their number is known.

    Args:
        rows: Number of rows.
        unrecorded: Reason, if the input can also be one row and the warning waits for the decision.
    """

    def __init__(self, rows: int, unrecorded: Unrecorded | None = None) -> None:
        self.count = rows
        self.cost = 0
        self.row = None if unrecorded is None else ((), ())
        self.unrecorded = unrecorded

    def names(self) -> tuple[str, ...] | None:
        """Return no names."""
        return ()


def in_order_of(index: Any, result: Any) -> Any:
    """Return a Series or DataFrame in the order of an index, if its own index has the same labels in another order.

    The index 0, 1, ... is that of a new object, such as ``pd.Series(scores)``, and says nothing about the order.
    """
    labels = result.index
    is_new = type(labels).__name__ == "RangeIndex" and (labels.start, labels.step) == (0, 1)
    if is_new or not 1 < len(labels) == len(index) or labels.equals(index):
        return result
    if labels.is_unique and index.is_unique:
        positions = labels.get_indexer(index)
        if (positions >= 0).all():
            return result.iloc[positions]
    if FAULTS.once("index of a result"):
        logger.warning(
            "driftline: a %s was returned or set as a result whose index is not that of the input, or has duplicates, "
            "so its rows are matched with the rows of the input by their position; keep the index and the order of the "
            "input", type(result).__name__,
        )  # fmt: skip
    return result
