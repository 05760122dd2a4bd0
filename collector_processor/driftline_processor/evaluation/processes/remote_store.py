"""The store, as a process beside the processor sees it: every question goes to the processor.

So there is one writer, one file that is open, and one order of what was read and what was written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.tables.table import ModelKey
from msgspec import Struct

from driftline_processor.store.baselines import ActiveBaseline

from .channel import pack_table, unpack_table
from .messages import BaselineQuestion, Query

_READING = ("SELECT", "WITH")
"""Words with which a query begins."""

Ask = Callable[[object], Any]
"""From a question to its answer."""


class RemoteStoreError(Exception):
    """The processor could not answer a question about the store."""


class _Answered(Struct, frozen=True):
    """A query that was sent, as the statement of a connection."""

    ask: Ask
    question: Query

    def to_arrow_table(self) -> pa.Table:
        """Return all rows."""
        return unpack_table(self.ask(self.question))

    def to_arrow_reader(self, rows: int) -> pa.RecordBatchReader:
        """Return all rows, so many at a time."""
        return self.to_arrow_table().to_reader(max_chunksize=rows)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows as tuples."""
        question = Query(self.question.query, self.question.parameters, self.question.tables, rows=True)
        rows: list[tuple[Any, ...]] = self.ask(question)
        return rows


class RemoteConnection:
    """A connection to the store that only reads, see :data:`~driftline_processor.store.database.Connection`."""

    def __init__(self, ask: Ask) -> None:
        """Ask through ``ask``."""
        self._ask, self._tables = ask, dict[str, Any]()

    def register(self, name: str, table: pa.Table) -> None:
        """Let queries name a table."""
        self._tables[name] = pack_table(table)

    def unregister(self, name: str) -> None:
        """Forget a table."""
        del self._tables[name]

    def sql(self, query: str, params: Sequence[object] = ()) -> _Answered:
        """Return what a query finds; nothing is asked before its rows are.

        Raises RemoteStoreError for a statement that writes.
        """
        if not query.lstrip().upper().startswith(_READING):
            raise RemoteStoreError(f"the processor alone writes, and this is no query: {query[:80]}")
        return _Answered(self._ask, Query(query, tuple(params), dict(self._tables)))

    execute = sql


class RemoteBaselines:
    """The baselines of the store, each asked for once."""

    def __init__(self, ask: Ask) -> None:
        """Ask through ``ask``."""
        self._ask = ask
        self._changes = -1
        self._folds: dict[str, Baseline | None] = {}
        self._in_force: dict[ModelKey, ActiveBaseline | None] = {}
        self._known: dict[str, Baseline] = {}

    def expect(self, changes: int) -> None:
        """Ask anew where baselines have changed since the last time."""
        if changes != self._changes:
            self._changes = changes
            self._folds.clear()
            self._in_force.clear()
            self._known.clear()

    def by_fold(self, fold: str) -> Baseline | None:
        """Return the newest baseline that has what panes were folded over."""
        if fold not in self._folds:
            baseline: Baseline | None = self._ask(BaselineQuestion(fold))
            self._folds[fold] = None if baseline is None else self._one(baseline)
        return self._folds[fold]

    def in_force(self, key: ModelKey) -> ActiveBaseline | None:
        """Return the baseline that a series is compared with now; None while it is learning."""
        if key not in self._in_force:
            active_baseline: ActiveBaseline | None = self._ask(BaselineQuestion(key))
            self._in_force[key] = (
                None
                if active_baseline is None
                else ActiveBaseline(self._one(active_baseline.baseline), active_baseline.source)
            )
        return self._in_force[key]

    def _one(self, baseline: Baseline) -> Baseline:
        """Return the same object for the same baseline, so that what was derived from it is kept once."""
        return self._known.setdefault(baseline.digest, baseline)
