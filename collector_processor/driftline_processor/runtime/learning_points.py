"""What is kept of histograms and counts until they are enough for a provisional baseline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from driftline.baseline import Baseline
from driftline.semconv import metrics as m

from driftline_processor.core.from_histograms import baseline_of
from driftline_processor.core.histogram import Histogram, count, dump, parse

from .series import Series
from .store import Connection, insert, read
from .streams import Increase

NEEDED_OF_POINTS = 1_000
"""Rows, as many as of rows."""

MOST_PARTS = 50_000
"""Histograms and counts that are kept of one series: a minute of 100 features and labels, all day, and to spare."""


class LearningPoints:
    """One thread uses it; any may read :meth:`learned`."""

    def __init__(self, connection: Connection) -> None:
        """Read how much was kept."""
        query = "SELECT series, sum(rows) AS rows, count(*) AS parts FROM learning_points GROUP BY series"
        found = read(connection, query).to_pylist()
        self._kept = {row["series"]: (float(row["rows"]), int(row["parts"])) for row in found}

    def learned(self, series: int) -> int:
        """Return how many rows of a series are known from what was kept."""
        return int(self._kept.get(series, (0.0, 0))[0])

    def forget(self, connection: Connection, series: int) -> None:
        """Forget what was kept: there is a baseline."""
        if self._kept.pop(series, None) is not None:
            connection.execute("DELETE FROM learning_points WHERE series = ?", [series])

    def learn(self, connection: Connection, series: Series, increases: Iterable[Increase]) -> Baseline | None:
        """Keep what is new of metrics that are mapped; return a baseline when it is enough.

        Raises whatever building it raises; learning begins anew then.
        """
        rows, parts = self._kept.get(series.number, (0.0, 0))
        new = [one for one in increases if one.point.foreign]
        kept = [row for one in new if one.histogram is not None and (row := _row(series, one, one.histogram))["part"]]
        if not kept:
            return None
        insert(connection, "learning_points", pa.Table.from_pylist(kept, _SCHEMA))
        rows, parts = rows + sum(row["rows"] for row in kept), parts + len(kept)
        self._kept[series.number] = rows, parts
        if rows < NEEDED_OF_POINTS and parts < MOST_PARTS:
            return None
        try:
            return _build(connection, series, rows) if rows >= NEEDED_OF_POINTS else None
        finally:
            self.forget(connection, series.number)


_SCHEMA = pa.schema(
    [
        ("series", pa.int32()),
        ("part", pa.string()),
        ("label", pa.string()),
        ("rows", pa.float64()),
        ("data", pa.binary()),
    ]
)


def _row(series: Series, one: Increase, histogram: Histogram) -> dict[str, Any]:
    """A row of the store. ``part``: of the pane, "" = nothing to learn; ``label``: null for a distribution."""
    point, part, label = one.point, f"feature:{one.point.feature}", None
    if point.metric == m.ML_PREDICTION_SCORE:
        part = "score"
    elif point.metric == m.ML_PREDICTIONS:
        part, label = "class", point.decided
    elif point.metric in (m.ML_FEATURE_CATEGORIES, m.ML_FEATURE_MISSING):
        label = point.category
    elif point.metric == m.ML_PREDICTION_DURATION:
        part = "" if not point.rows else "duration"
    n = count(histogram)
    return {
        "series": series.number,
        "part": part if n else "",
        "label": label,
        "rows": n if point.rows else 0.0,
        "data": dump(histogram),
    }


def _build(connection: Connection, series: Series, rows: float) -> Baseline:
    numbers: dict[str, list[Histogram]] = {}
    labels: dict[str, dict[str, float]] = {}
    query = "SELECT part, label, data FROM learning_points WHERE series = ? ORDER BY rowid"
    for row in read(connection, query, series.number).to_pylist():
        histogram = parse(row["data"])
        if row["label"] is None and row["part"] != "duration":
            numbers.setdefault(row["part"], []).append(histogram)
        elif row["label"] is not None:
            of = labels.setdefault(row["part"], {})
            of[row["label"]] = of.get(row["label"], 0.0) + count(histogram)
    return baseline_of(series.key, series.task, rows, numbers, labels)
