"""Rows kept beside a baseline, for methods that need rows and not sums: at most 10,000, and only when asked for.

They hold what the baseline's rules let leave, and no more: no id, no text of a document, no label that fewer than ten
rows had, no identifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from driftline.baseline import Baseline
from driftline.bins import CategoryBins, assign
from driftline.classes import number_text
from driftline.frames import taken
from driftline.rules import Rule
from driftline.tables import F64, Column, ModelKey, PredictionTable, Text, length, numbers_of

from .errors import BadInput
from .rows import ruled
from .source import readable
from .values import one_array, whole_column

MOST_ROWS = 10_000

FEATURE = "feature:"
SCORE = "score:"


def beside(baseline: Path) -> Path:
    """Return where the rows of a baseline's file are.

    >>> str(beside(Path("churn.baseline.json")))
    'churn.baseline.rows.parquet'
    """
    return baseline.with_suffix(".rows.parquet")


def save_rows(
    path: Path, baseline: Baseline, table: PredictionTable, actual: Column | None, rules: Mapping[str, Rule | None]
) -> int:
    """Write reference rows, evenly chosen, and return how many; ``rules``: of features that the baseline has ruled.

    Raises :class:`BadInput` when the file cannot be written.
    """
    n = len(table)
    at = np.arange(n) if n <= MOST_ROWS else np.linspace(0, n - 1, MOST_ROWS).astype(np.intp)
    marked = () if baseline.extras.marks is None else baseline.extras.marks.of
    columns: dict[str, pa.Array] = {}
    for name, over in baseline.bins.features.items():
        column = table.features.get(name)
        if column is None or name in marked:
            continue
        values = ruled(taken(column, at), rules.get(name))
        if isinstance(over, CategoryBins):
            labels = pa.array([*over.labels, "other", None, None], pa.string())
            columns[FEATURE + name] = labels.take(pa.array(assign(over, values)))
        else:
            columns[FEATURE + name] = _numbers(numbers_of(values))
    if table.scores is not None:
        columns |= {f"{SCORE}{k}": _numbers(table.scores[at, k]) for k in range(table.scores.shape[1])}
    if actual is not None:
        columns["actual"] = _plain(taken(actual, at))
    if table.predicted is not None and length(table.predicted):
        columns["predicted"] = _plain(taken(table.predicted, at))
    if table.time.any():
        columns["time"] = pa.array(table.time[at])
    try:
        pyarrow.parquet.write_table(pa.table(columns), path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error}") from error
    return len(at)


def holds_kept_rows(path: Path) -> bool:
    """Whether a file was written by :func:`save_rows`; else its columns are as somebody has them."""
    if path.suffix != ".parquet":
        return False
    with readable(path):
        return any(name.startswith(FEATURE) for name in pyarrow.parquet.read_schema(path).names)


def load_rows(path: Path, baseline: Baseline) -> tuple[PredictionTable, Column | None]:
    """Read the rows of a baseline, and what really happened. Raises :class:`BadInput` when they cannot be read."""
    with readable(path):
        table = pyarrow.parquet.read_table(path)
    n = table.num_rows

    def column(name: str) -> Column | None:
        return whole_column(table.column(name), False) if name in table.column_names else None

    scores = [name for name in table.column_names if name.startswith(SCORE)]
    features = [name for name in table.column_names if name.startswith(FEATURE)]
    times = np.zeros(n, np.int64)
    if "time" in table.column_names:
        times = np.asarray(one_array(table.column("time")).to_numpy(), np.int64)
    rows = PredictionTable(
        ModelKey(baseline.model, baseline.version),
        baseline.task,
        times,
        Text(np.zeros(n + 1, np.int32), b""),
        np.column_stack([numbers_of(whole_column(table.column(name))) for name in scores]) if scores else None,
        column("predicted"),
        features={name.removeprefix(FEATURE): whole_column(table.column(name), False) for name in features},
    )
    return rows, column("actual")


def _numbers(values: F64) -> pa.Array:
    return pa.array(values, pa.float64(), mask=np.isnan(values))


def _plain(column: Column) -> pa.Array:
    """Texts where there are any, else numbers."""
    if column.codes is None:
        return _numbers(numbers_of(column))
    texts = pa.array([*column.labels, None], pa.string()).take(pa.array(column.codes % (len(column.labels) + 1)))
    if column.numbers is None:
        return texts
    written = pa.array([number_text(value) or None for value in column.numbers.tolist()], pa.string())
    return pc.coalesce(texts, written)
