"""What the columns of a table in a lake mean, and which rows are read: options of ``driftline spark``."""

from __future__ import annotations

from typing import Annotated, Literal

from driftline_processor.evaluation.files.evaluate_options import Method, Methods, Objectives
from driftline_processor.readers.column_options import Option, Options, Threshold


class TableColumns(Options, frozen=True):
    """What the columns of a table mean; "" = the column of the baseline's rows, if the table has it."""

    time: Annotated[str, Option("Column of the time of the prediction", "COL")] = ""
    score: Annotated[
        tuple[str, ...], Option("Column of the score. For a multiclass model, give one column per class", "COL[,COL]")
    ] = ()
    predicted: Annotated[str, Option("Column of the predicted class or value", "COL")] = ""
    actual: Annotated[str, Option("Column of the outcome (what really happened)", "COL")] = ""
    outcome_time: Annotated[str, Option("Column of the time of the outcome", "COL")] = ""
    slices: Annotated[tuple[str, ...], Option("Columns whose values are also evaluated separately", "COL,COL")] = ()
    cluster: Annotated[str, Option("Name of a slice or feature. Rows with the same value are dependent", "COL")] = ""


class TableOptions(TableColumns, frozen=True):
    """How a table is read; the version "" is the baseline's."""

    format: Annotated[
        Literal["parquet", "delta", "iceberg", "orc"],
        Option("Format of the table: parquet, delta, iceberg or orc", "FORMAT"),
    ] = "parquet"
    where: Annotated[
        str, Option("Only rows for which this condition is true, such as \"day >= '2026-11-01'\"", "SQL")
    ] = ""
    timezone: Annotated[str, Option("Time zone of days and hours. Default: UTC", "ZONE")] = ""
    version: Annotated[str, Option("Version of the model", "V")] = ""


class TableEvaluation(TableOptions, frozen=True):
    """How a table is read and evaluated."""

    threshold: Threshold = None
    objectives: Objectives = ()
    method: Method = ()
    methods: Methods = ()
