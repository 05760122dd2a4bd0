"""The series: one per model, version and environment, each with a small number and what it is known to predict."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace

import pyarrow as pa
from driftline.classes import seen_classes
from driftline.tables import ModelKey, PredictionTable, Task

from .config import Model
from .store import Connection, insert, read

MOST_CLASSES = 1_000
"""Classes that nobody declared are learned as they are seen, up to this many."""


@dataclass(frozen=True, slots=True)
class Series:
    """One model, version and environment. ``declared``: somebody named the classes; else they are learned."""

    number: int
    key: ModelKey
    task: Task
    declared: bool = False


class SeriesRegister:
    """All series, in memory and in the store. One thread adds; any thread reads."""

    def __init__(self, connection: Connection, models: Mapping[str, Model]) -> None:
        """Read the series; ``models``: the configuration, whose word is last."""
        self._models = models
        self._by_key: dict[ModelKey, Series] = {}
        self._changed: dict[int, Series] = {}
        for row in read(connection, "SELECT * FROM series ORDER BY series").to_pylist():
            said = json.loads(row["task"])
            declared = bool(said.pop("declared"))
            key = ModelKey(row["model"], row["version"], row["environment"])
            task = Task(**{**said, "classes": tuple(said["classes"])})
            self._by_key[key] = Series(row["series"], key, task, declared)

    def __iter__(self) -> Iterator[Series]:
        return iter(list(self._by_key.values()))

    def get(self, key: ModelKey) -> Series | None:
        """Return the series of a key, None before its first row."""
        return self._by_key.get(key)

    def by_number(self) -> dict[int, Series]:
        """Return all series by their number."""
        return {series.number: series for series in self}

    def settings(self, model: str) -> Model:
        """Return what is configured for a model; the defaults where nothing is."""
        return self._models.get(model) or Model()

    def of(self, table: PredictionTable, baseline: Task | None) -> Series:
        """Return the series of a table, made or brought up to date with what the table says of its task.

        ``baseline``: the task of the baseline in force, which knows the classes where the sender does not say.
        """
        known = self._by_key.get(table.key)
        before = known.task if known else Task()
        task, declared = resolve(
            self.settings(table.key.model), table, baseline, before, bool(known and known.declared)
        )
        if known is None:
            known = Series(len(self._by_key) + 1, table.key, task, declared)
        elif (task, declared) == (known.task, known.declared):
            return known
        return self._keep(replace(known, task=task, declared=declared))

    def learn(self, series: Series, classes: tuple[str, ...]) -> Series:
        """Add classes that outcomes showed to a series whose classes nobody declared."""
        return self._keep(replace(series, task=_with_classes(series.task, classes)))

    def write(self, connection: Connection) -> None:
        """Store what changed, inside the caller's transaction."""
        if not self._changed:
            return
        rows = [
            {
                "series": series.number,
                "environment": series.key.environment,
                "model": series.key.model,
                "version": series.key.version,
                "task": json.dumps({**asdict(series.task), "declared": series.declared}),
            }
            for series in self._changed.values()
        ]
        changed = list(self._changed)
        connection.execute("DELETE FROM series WHERE series IN (SELECT unnest(?))", [changed])
        insert(connection, "series", pa.Table.from_pylist(rows))
        self._changed.clear()

    def _keep(self, series: Series) -> Series:
        self._by_key[series.key] = series
        self._changed[series.number] = series
        return series


def resolve(
    settings: Model, table: PredictionTable, baseline: Task | None, before: Task, declared: bool
) -> tuple[Task, bool]:
    """Complete a task: the configuration's word, else the sender's, else the baseline's, else what was known before.

    Classes in the order of the sender win over the same classes in another order, because the columns of scores follow
    it. What nobody says is read from the shape of the rows: a score without classes is binary, several are multiclass,
    and classes that nobody names are learned. Returns the task, and whether its classes were declared.
    """
    sent, base = table.task, baseline or Task()
    kind = settings.task or sent.kind or base.kind or before.kind or _kind_of(table)
    if kind == "regression":
        return Task("regression"), True
    said = settings.classes
    if sent.classes and (not said or set(said) == set(sent.classes)):
        said = sent.classes
    said = said or base.classes or (before.classes if declared else ())
    classes = said or before.classes
    positive = settings.positive_class or sent.positive_class or base.positive_class or before.positive_class
    threshold = settings.threshold if settings.threshold is not None else sent.threshold
    task = Task(kind, tuple(classes), positive if kind == "binary" else "", threshold)
    if not said:
        seen = () if table.predicted is None else seen_classes([table.predicted])
        task = _with_classes(task, seen)
    if kind == "binary" and not task.positive_class and set(task.classes) == {"0", "1"}:
        task = replace(task, positive_class="1")
    return task, bool(said)


def _kind_of(table: PredictionTable) -> str:
    if table.scores is not None and table.scores.shape[1] == 1:
        return "binary"
    return "multiclass" if table.scores is not None or table.predicted is not None else ""


def _with_classes(task: Task, seen: tuple[str, ...]) -> Task:
    """Learn classes in the order in which they come; a binary model that shows no others has 0 and 1."""
    if task.kind == "binary" and set(task.classes) | set(seen) <= {"0", "1"}:
        return replace(task, classes=("0", "1"))
    most = 2 if task.kind == "binary" else MOST_CLASSES
    return replace(task, classes=tuple(dict.fromkeys((*task.classes, *seen)))[:most])
