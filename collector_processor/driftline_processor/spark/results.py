"""Write the results of an evaluation as tables, with the columns of `driftline export`."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.lazy_modules import pc
from driftline_processor.present.result_schema import WINDOW_TABLES, arrow_schema, window_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def write_results(spark: SparkSession, evaluations: Iterable[Evaluation], place: str, kind: str) -> None:
    """Write windows, drift, metrics and verdicts; days that are written again are replaced.

    Args:
        spark: The session.
        evaluations: The windows.
        place: Address of the folder with the tables; for Iceberg, the namespace, such as ``lake.results``.
        kind: Their format, such as ``parquet``.
    """
    stored_at = time.time_ns()
    by_window = [window_rows(evaluation, stored_at) for evaluation in evaluations]
    for name in WINDOW_TABLES:
        rows = pa.Table.from_pylist([row for window in by_window for row in window[name]], arrow_schema(name))
        rows = rows.append_column("day", pc.strftime(rows["window_start"], "%Y-%m-%d"))
        frame = spark.createDataFrame(rows).coalesce(1)
        if kind == "iceberg":
            _write_iceberg(spark, frame, f"{place}.{name}")
        else:
            writer = frame.write.format(kind).mode("overwrite").partitionBy("day")
            writer.option("partitionOverwriteMode", "dynamic").save(f"{place}/{name}")


def _write_iceberg(spark: SparkSession, frame: DataFrame, table: str) -> None:
    if spark.catalog.tableExists(table):
        frame.writeTo(table).overwritePartitions()
    else:
        frame.writeTo(table).using("iceberg").partitionedBy(frame.day).create()
