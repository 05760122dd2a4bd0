"""The series: one per model, version and environment, with a number and its task."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from itertools import accumulate
from typing import Any

from driftline.tables.classes import seen_classes
from driftline.tables.table import ModelKey, PredictionTable
from driftline.tables.task import BINARY, MULTICLASS, Task
from msgspec import Struct, field, structs

from driftline_processor.config.model import Model

from .database import Connection, mark, read

LAST_SERIES = "last_series"
"""The mark of the greatest number of a deleted series; numbers are not reused."""

MOST_CLASSES, MOST_TEXT = 1_000, 1 << 17
"""Maximum number of undeclared classes that are learned from rows, and of their characters."""


class Series(Struct, frozen=True):
    """One model, version and environment.

    Attributes:
        task: Its task, as far as known.
        declared: True if the classes are declared, False if they are learned.
        declared_task: The task that the sender last declared.
    """

    number: int
    key: ModelKey
    task: Task
    declared: bool = False
    declared_task: Task = field(default_factory=Task)


class SeriesRegister:
    """All series, in memory and in the store. Thread-safe.

    Changes are appended to the store and the newest row of a series counts, so that no two threads replace the same
    row.
    """

    def __init__(self, connection: Connection, models: Mapping[str, Model]) -> None:
        """Read the series; ``models``: the configuration, which wins."""
        self._models, self._default = models, Model()
        self._lock = threading.Lock()
        self.load(connection)

    def load(self, connection: Connection) -> None:
        """Read the series again after a failed transaction."""
        newest = "SELECT * FROM series QUALIFY row_number() OVER (PARTITION BY series ORDER BY change DESC) = 1"
        by_key: dict[ModelKey, Series] = {}
        change = 0
        self._last = mark(connection, LAST_SERIES)
        for row in read(connection, newest).to_pylist():
            key = ModelKey(row["model"], row["version"], row["environment"])
            try:
                task_fields = json.loads(row["task"])
                sent, before, declared = _task(task_fields["sent"]), _task(task_fields["task"]), task_fields["declared"]
            except Exception as error:  # its rows still count, and its task is learned again
                connection.unreadable.add("series", row, error)
                sent, before, declared = Task(), Task(), False
            # The configuration may have changed since.
            task, declared = resolve(self.settings(key.model), sent, None, before, declared)
            by_key[key] = Series(row["series"], key, task, declared, sent)
            change = max(change, row["change"])
            self._last = max(self._last, row["series"])
        self._by_key, self._change = by_key, change
        self._changed: list[Series] = []

    def __iter__(self) -> Iterator[Series]:
        return iter(list(self._by_key.values()))

    def find(self, key: ModelKey) -> Series | None:
        """Return the series of a model, version and environment, None if there is none."""
        return self._by_key.get(key)

    def by_number(self) -> dict[int, Series]:
        """Return all series by their number."""
        return {series.number: series for series in self}

    def settings(self, model: str) -> Model:
        """Return the settings of a model, by default the defaults."""
        return self._models.get(model, self._default)

    def declares(self, model: str) -> bool:
        """Return True if the configuration names a model."""
        return model in self._models

    def declared_task(self, key: ModelKey) -> Task:
        """Return the task that the sender of a series last declared; an empty one if unknown."""
        known_series = self._by_key.get(key)
        return Task() if known_series is None else known_series.declared_task

    def of(self, table: PredictionTable, baseline: Task | None) -> Series:
        """Return the series of a table, created or updated with the task of the table.

        ``baseline``: the task of the active baseline, with the classes if the sender does not declare them. The caller
        stores the changes with :meth:`write`.
        """
        with self._lock:
            known_series = self._by_key.get(table.key) or Series(self._last + 1, table.key, Task())
            before = replace(known_series.task, kind=known_series.task.kind or _kind_of(table))
            classes_seen = () if table.predicted is None else seen_classes([table.predicted])
            settings = self.settings(table.key.model)
            task, declared = resolve(settings, table.task, baseline, before, known_series.declared, classes_seen)
            series = structs.replace(known_series, task=task, declared=declared, declared_task=table.task)
            if series == self._by_key.get(table.key):
                return series
            self._by_key[table.key] = series
            self._last = max(self._last, series.number)
            self._changed.append(series)
            return series

    def write(self, connection: Connection) -> None:
        """Store the changes of :meth:`of`, inside the caller's transaction."""
        with self._lock:
            changed, self._changed = self._changed, []
            self._append(connection, changed)

    def learn(self, connection: Connection, series: Series, classes: tuple[str, ...]) -> Series:
        """Add classes from outcomes to a series without declared classes, and store them."""
        with self._lock:
            current = self._by_key[series.key]
            learned = structs.replace(current, task=_with_classes(current.task, classes))
            if learned != current:
                self._by_key[series.key] = learned
                self._append(connection, [learned])
            return learned

    def _append(self, connection: Connection, changed: list[Series]) -> None:
        rows = []
        for series in changed:
            self._change += 1
            task_text = json.dumps(
                {"task": asdict(series.task), "declared": series.declared, "sent": asdict(series.declared_task)}
            )
            key = series.key
            rows.append((series.number, self._change, key.environment, key.model, key.version, task_text))
        if rows:
            connection.executemany("INSERT INTO series VALUES (?, ?, ?, ?, ?, ?)", rows)


def _task(fields: dict[str, Any]) -> Task:
    lists = {name: tuple(fields.get(name, ())) for name in ("classes", "cutoffs", "quantiles")}
    return Task(**{**fields, **lists})


def resolve(
    settings: Model,
    sent: Task,
    baseline: Task | None,
    before: Task,
    declared: bool,
    seen: tuple[str, ...] = (),
) -> tuple[Task, bool]:
    """Complete a task from the configuration, else the sender, else the baseline, else the previous task.

    The sender's order of classes wins over another order, because the columns of scores follow it. Undeclared classes
    are learned: ``seen`` are those of the newest rows. Returns the task, and whether its classes are declared.
    """
    base = baseline or Task()
    task = Task(settings.task or sent.kind or base.kind or before.kind)
    if task.ranks_items:
        return replace(task, cutoffs=settings.performance.cutoffs), True
    if task.predicts_number:
        quantiles = settings.quantiles or sent.quantiles or base.quantiles or before.quantiles
        return replace(task, quantiles=quantiles), True
    classes = settings.classes
    if sent.classes and (not classes or set(classes) == set(sent.classes)):
        classes = sent.classes
    classes = classes or base.classes or (before.classes if declared else ())
    positive = settings.positive_class or sent.positive_class or base.positive_class or before.positive_class
    threshold = settings.threshold if settings.threshold is not None else sent.threshold
    positive = positive if task.has_threshold else ""
    task = Task(task.kind, tuple(classes or before.classes), positive, threshold)
    if not classes:
        task = _with_classes(task, seen)
    if task.has_threshold and len(task.classes) == 2 and task.positive_class not in task.classes:
        task = replace(task, positive_class="1" if set(task.classes) == {"0", "1"} else "")
    return task, bool(classes)


def _kind_of(table: PredictionTable) -> str:
    """Return the task from the shape of rows: one score without classes is binary, several are multiclass."""
    if table.scores is not None and table.scores.shape[1] == 1:
        return BINARY.name
    return MULTICLASS.name if table.scores is not None or table.predicted is not None else ""


def _with_classes(task: Task, seen: tuple[str, ...]) -> Task:
    """Add classes in the order in which they arrive; a binary model without any has 0 and 1."""
    if task.has_threshold and set(task.classes) | set(seen) <= {"0", "1"}:
        return replace(task, classes=("0", "1"))
    limit = 2 if task.has_threshold else MOST_CLASSES
    classes = tuple(dict.fromkeys((*task.classes, *seen)))[:limit]
    characters = accumulate(map(len, classes))
    return replace(task, classes=tuple(name for name, n in zip(classes, characters, strict=True) if n <= MOST_TEXT))
