"""Fold a table of a lake into panes: each task folds its record batches, and the partial panes are added."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.batch_panes import MadePanes, NoTimesError, Span, make_panes
from driftline.tables.table import ModelKey

from . import pane_rows
from .messages import TOGETHER
from .record_batches import together
from .table_options import TableColumns
from .worker import prepare_next_tasks

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MOST_SAMPLED = 20_000
"""Rows of the sample that causes and weak slices are searched in."""


_USUAL = TableColumns()


class FoldedTable(NamedTuple):
    """The panes of a table.

    Attributes:
        panes: The panes, all rows first, then slices, each by time.
        rows: Number of rows of the table, with and without a usable time.
        sample: At most :data:`MOST_SAMPLED` of them, with all columns that were read; the same in each run.
    """

    panes: MadePanes
    rows: int
    sample: pa.Table


def fold_table(
    table: DataFrame,
    baseline: Baseline,
    columns: TableColumns = _USUAL,
    *,
    span: Span = "1h",
    timezone: str = "UTC",
    version: str | None = None,
    sample: int = MOST_SAMPLED,
) -> FoldedTable:
    """Fold the rows of a table where they are, and collect the panes.

    Args:
        table: A table, such as ``spark.read.parquet("s3a://lake/scored")``. Columns that are neither features of the
            baseline nor named in ``columns`` are not read.
        baseline: Baseline of the model.
        columns: What the columns mean.
        span: Length of a pane.
        timezone: IANA name of the time zone of hours and days.
        version: Version of the model; None = the baseline's.
        sample: Maximum number of rows of the sample; 0 = none.

    Raises:
        ValueError: The table lacks the time, or no row has one.
    """
    from pyspark.sql import functions as f

    read = table.select(*[f.col(f"`{name}`") for name in needed_columns(table.columns, baseline, columns)])
    partial_panes = read.mapInArrow(_Fold(baseline, columns, span, timezone), pane_rows.DDL)
    rows = merged(partial_panes).toArrow()
    panes = pane_rows.made_panes(rows)
    made = MadePanes(
        baseline.model, baseline.version if version is None else version, None, baseline.digest, span, panes
    )
    sampled, counted = read.limit(0), made.rows
    if sample:
        counted = read.count()
        sampled = read.orderBy(f.xxhash64(*read.columns)).limit(sample)
    return FoldedTable(made, counted, sampled.toArrow())


def merged(partial_panes: DataFrame) -> DataFrame:
    """Return the sums of equal panes, each key in one task."""
    keys = list(pane_rows.KEY)
    ordered = partial_panes.repartition(*keys).sortWithinPartitions(*keys)
    return ordered.mapInArrow(pane_rows.merge_rows, pane_rows.DDL)


def needed_columns(names: Sequence[str], baseline: Baseline, columns: TableColumns) -> list[str]:
    """Return the columns that are read, in the order of the table.

    Raises:
        ValueError: A named column is not there, or there is no time.
    """
    own = {
        name for name in (columns.time, *columns.score, columns.predicted, columns.actual, columns.outcome_time) if name
    }
    own |= {*columns.slices, *([columns.cluster] if columns.cluster else [])}
    if absent := sorted(own - {*names}):
        raise ValueError(f"the table has no column '{absent[0]}'; it has {', '.join(names[:20])}")
    default = [baseline.columns.get(role, ()) for role in ("time", "score", "predicted", "items", "actual")]
    usual = {name for value in default for name in ([value] if isinstance(value, str) else value)}
    if not columns.time and baseline.columns.get("time") not in names:
        raise ValueError("the time of each prediction is missing; name its column with --time")
    wanted = own | usual | set(baseline.raw_features)
    return [name for name in names if name in wanted]


class _Fold:
    """Folds the record batches of a task. Pickled with the baseline."""

    def __init__(self, baseline: Baseline, columns: TableColumns, span: Span, timezone: str) -> None:
        self._baseline, self._columns, self._span, self._timezone = baseline, columns, span, timezone

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        prepare_next_tasks()
        for rows in together(batches, TOGETHER):
            yield from self._panes(rows)

    def _panes(self, rows: pa.Table) -> Iterator[pa.RecordBatch]:
        columns = self._columns
        try:
            made = make_panes(
                rows,
                self._baseline,
                time=columns.time or None,
                score=list(columns.score) or None,
                predicted=columns.predicted or None,
                actual=columns.actual or None,
                outcome_time=columns.outcome_time or None,
                slices=columns.slices,
                cluster=columns.cluster,
                span=self._span,
                timezone=self._timezone,
            )
        except NoTimesError:
            return
        newest = {pane.start: pane.start for pane in made.panes}  # nobody asks: all panes of a table are finished
        yield pane_rows.to_batch(ModelKey(made.model, made.version), made.panes, newest)
