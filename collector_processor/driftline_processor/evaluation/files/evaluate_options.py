"""The options of ``driftline evaluate`` and ``driftline.evaluate``: one field per option."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from msgspec.structs import fields

from driftline_processor.readers.column_options import ColumnOptions, Option

Objectives = Annotated[
    tuple[str, ...], Option("Objective of a metric, such as 'recall >= 0.8'", '"METRIC >= NUMBER"', repeated=True)
]
Method = Annotated[
    tuple[str, ...], Option("Drift method that decides whether there is drift", "[FEATURE=]NAME", repeated=True)
]
Methods = Annotated[
    tuple[str, ...], Option("Drift methods that are shown in addition", "[FEATURE=]NAME,NAME", repeated=True)
]


class EvaluationOptions(ColumnOptions, frozen=True, kw_only=True):
    """The options of an evaluation of rows, as texts."""

    window: Annotated[str, Option("Length of the windows, such as '1d'. Default: one window of all rows", "1d")] = ""
    window_rows: Annotated[int | None, Option("Number of rows per window, for windows without a fixed length", "N")] = (
        None
    )
    reference_last: Annotated[
        str,
        Option(
            "Length of the reference period. Each window is compared with the rows of a reference "
            "period before the window",
            "30d",
        ),
    ] = ""
    reference_without: Annotated[
        str,
        Option(
            "Time between the end of the reference period and the end of the window. Default: the length of the "
            "window. The reference period then ends where the window starts",
            "24h",
        ),
    ] = ""
    objectives: Objectives = ()
    metrics: Annotated[
        tuple[str, ...], Option("Metric to compute in addition, such as 'fbeta@0.5'", "NAME", repeated=True)
    ] = ()
    method: Method = ()
    methods: Methods = ()
    exact: Annotated[
        bool,
        Option(
            "Compute the values of drift methods from rows instead of bins. Whether there is drift is still "
            "decided from bins"
        ),
    ] = False
    classifier: Annotated[
        bool,
        Option(
            "Train a classifier to distinguish the rows from the baseline rows, and show how well the classifier "
            "does so"
        ),
    ] = False
    importance_weighted: Annotated[
        bool,
        Option(
            "Also estimate the performance from the baseline rows that have outcomes. They are weighted so that they "
            "resemble the window's rows"
        ),
    ] = False
    mispredictions: Annotated[
        int, Option("For each window, return the N rows whose predictions differ most from the outcomes", "N")
    ] = 0
    curves: Annotated[
        bool, Option("Include the confusion matrix and the points of curves, such as ROC, in the JSON")
    ] = False
    config: Annotated[
        Path | None,
        Option(
            "driftline.yaml that configures the model. Options that are not given have the values of this file", "FILE"
        ),
    ] = None
    expect: Annotated[
        Path | None, Option("driftline.yaml with expectations: the rules that the data must satisfy", "FILE")
    ] = None
    performance: Annotated[
        Path | None, Option("driftline.yaml with the performance settings and objectives", "FILE")
    ] = None

    @classmethod
    def of_columns(cls, columns: ColumnOptions, **others: Any) -> EvaluationOptions:
        """Return options with those of the columns.

        Args:
            columns: The model and its columns.
            **others: The other options by name.
        """
        return cls(**{field.name: getattr(columns, field.name) for field in fields(columns)}, **others)
