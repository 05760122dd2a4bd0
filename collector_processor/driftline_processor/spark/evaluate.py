"""`driftline spark evaluate` and `send`: fold a table on a cluster, and evaluate its panes here or in a processor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.batch_panes import SentPanes, Span, send_panes
from driftline.outcomes import Undelivered
from msgspec import Struct

from driftline_processor.core.nearest_names import listed
from driftline_processor.core.windows.window import DAY, length
from driftline_processor.evaluation.files.evaluate import EvaluationResult, evaluate_panes
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.reference import at_threshold
from driftline_processor.evaluation.files.settings import declared_settings, model_settings
from driftline_processor.readers.errors import BadInput, Say

from .results import write_results
from .session import open_session
from .table import MOST_SAMPLED, FoldedTable, fold_table
from .table_options import TableColumns, TableOptions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class LakeTable(Struct, frozen=True):
    """A table of a lake.

    Attributes:
        path: Address or name.
        options: How it is read, and what its columns mean.
    """

    path: str
    options: TableOptions

    def read(self, spark: SparkSession, baseline: Baseline) -> DataFrame:
        """Return the rows. Raises BadInput if the table has none of the features of the baseline."""
        table = spark.read.format(self.options.format).load(self.path)
        if baseline.raw_features and not {*baseline.raw_features} & {*table.columns}:
            raise BadInput(f"{self.path}: none of the baseline's features is a column: {listed(baseline.raw_features)}")
        return table.where(self.options.where) if self.options.where else table

    def fold(self, table: DataFrame, baseline: Baseline, span: Span, sample: int = MOST_SAMPLED) -> FoldedTable:
        """Return the panes of the rows, see :func:`.table.fold_table`."""
        return fold_table(
            table, baseline, self.options, span=span, timezone=self.options.timezone or "UTC",
            version=self.options.version or None, sample=sample,
        )  # fmt: skip


def evaluate_table(
    source: LakeTable,
    baseline: Baseline,
    options: EvaluationOptions,
    say: Say,
    master: str = "",
    settings: Mapping[str, str] | None = None,
    to: str = "",
) -> EvaluationResult:
    """Evaluate a table of a lake.

    Args:
        source: The table.
        baseline: Baseline of the model.
        options: The options, with ``window``.
        say: Called with messages about guessed, ignored or unusable input.
        master: URL of the cluster.
        settings: Settings of Spark.
        to: Where the results are written as tables, see :func:`.results.write_results`; "" = nowhere.

    Raises:
        BadInput: Spark does not start, or the table cannot be read or evaluated.
    """
    counted_over = at_threshold(baseline, options.threshold)
    model_settings(options, declared_settings(options, None), baseline, lambda _: None)  # before the cluster works
    spark = open_session("driftline evaluate", master, settings)
    with _errors_as_bad_input(source.path):
        table = source.read(spark, baseline)
        folded = source.fold(table, counted_over, span_of(options.window, source.options))
        sample = with_other_columns(folded.sample, table)
    panes = replace(folded.panes, baseline=baseline.digest)  # over the same bins
    result = evaluate_panes(panes, baseline, options, sample, folded.rows, say, name=source.path)
    if to:
        with _errors_as_bad_input(f"--to {to}"):
            write_results(spark, result.evaluations, to, source.options.format)
    return result


def send_table(
    source: LakeTable,
    baseline: Baseline,
    job: str,
    epoch: int,
    span: Span = "1h",
    master: str = "",
    settings: Mapping[str, str] | None = None,
) -> SentPanes:
    """Fold a table of a lake, and send the panes to the processor of ``DRIFTLINE_ENDPOINT``.

    Args:
        source: The table.
        baseline: Baseline of the model.
        job: Name of the job: its panes of a later epoch replace those of an earlier one.
        epoch: Number of the run.
        span: Length of the panes.
        master: URL of the cluster.
        settings: Settings of Spark.

    Raises:
        BadInput: Spark does not start, the table cannot be read, or the processor does not take the panes.
    """
    spark = open_session("driftline send", master, settings)
    with _errors_as_bad_input(source.path):
        folded = source.fold(source.read(spark, baseline), baseline, span, sample=0)
    try:
        return send_panes(folded.panes, source=job, epoch=epoch)
    except (Undelivered, ValueError) as error:
        raise BadInput(str(error)) from error


@contextmanager
def _errors_as_bad_input(name: str) -> Iterator[None]:
    """Raise errors of Spark and of a table as BadInput of one line."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        raise BadInput(f"{name}: {_reason(error)}") from error
    except ValueError as error:
        raise BadInput(f"{name}: {error}") from error


def _reason(error: Exception) -> str:
    """Return the line of an error of Spark that names the cause."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return next((line.strip() for line in lines if line.startswith(("java.", "org.", ": "))), lines[0]).lstrip(": ")


def span_of(window: str, columns: TableColumns) -> Span:
    """Return the length of the panes: short windows have blocks of five minutes, and panes of slices are of an hour.

    >>> span_of("1d", TableColumns()), span_of("1h", TableColumns()), span_of("1h", TableColumns(slices=("plan",)))
    ('1h', '5m', '1h')
    """
    return "1h" if columns.slices or length(window) >= DAY else "5m"


def with_other_columns(sample: pa.Table, table: DataFrame) -> pa.Table:
    """Return the sample with the columns that were not read, without values: they are new features."""
    for field in table.limit(0).toArrow().schema:
        if field.name not in sample.column_names:
            sample = sample.append_column(field, pa.nulls(sample.num_rows, field.type))
    return sample
