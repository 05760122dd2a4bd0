"""`driftline spark evaluate`: fold a table on a cluster, and evaluate its panes here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.batch_panes import Span

from driftline_processor.core.nearest_names import listed
from driftline_processor.core.windows.window import DAY, length
from driftline_processor.evaluation.files.evaluate import EvaluationResult, evaluate_panes
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.readers.errors import BadInput, Say

from .results import write_results
from .session import open_session
from .table import TableColumns, fold_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def evaluate_table(
    path: str,
    kind: str,
    baseline: Baseline,
    columns: TableColumns,
    options: EvaluationOptions,
    say: Say,
    master: str = "",
    settings: Mapping[str, str] | None = None,
    to: str = "",
) -> EvaluationResult:
    """Evaluate a table of a lake.

    Args:
        path: Address or name of the table.
        kind: Its format, such as ``parquet``.
        baseline: Baseline of the model.
        columns: What the columns mean.
        options: The options, with ``window``.
        say: Called with messages about guessed, ignored or unusable input.
        master: URL of the cluster.
        settings: Settings of Spark.
        to: Where the results are written as tables, see :func:`.results.write_results`; "" = nowhere.

    Raises:
        BadInput: Spark does not start, or the table cannot be read or evaluated.
    """
    if to and kind == "iceberg":
        raise BadInput(f"--to {to}: results are written as parquet, orc or delta")
    spark = open_session("driftline evaluate", master, settings)
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        table = spark.read.format(kind).load(path)
        _check_features(path, table.columns, baseline)
        folded = fold_table(
            table,
            baseline,
            columns,
            span=span_of(options.window, columns),
            timezone=options.timezone or "UTC",
            version=options.version or None,
        )
        sample = with_other_columns(folded.sample, table)
    except (PySparkException, Py4JJavaError) as error:
        raise BadInput(f"{path}: {_reason(error)}") from error
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from error
    result = evaluate_panes(folded.panes, baseline, options, sample, folded.rows, say, name=path)
    if to:
        try:
            write_results(spark, result.evaluations, to, kind)
        except (PySparkException, Py4JJavaError) as error:
            raise BadInput(f"--to {to}: {_reason(error)}") from error
    return result


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


def _check_features(path: str, names: list[str], baseline: Baseline) -> None:
    if baseline.raw_features and not {*baseline.raw_features} & {*names}:
        raise BadInput(f"{path}: none of the baseline's features is a column: {listed(baseline.raw_features)}")
