"""The options of ``driftline evaluate`` and ``driftline.evaluate``: a new option is one field here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from msgspec.structs import fields

from driftline_processor.readers.column_options import ColumnOptions, Option


class EvaluationOptions(ColumnOptions, frozen=True, kw_only=True):
    """The options of an evaluation of rows, as they are written. A field without description is not offered to users.

    Attributes:
        default_windows: Lengths of the windows if neither an option nor the configuration declares any.
        used_sections: Sections of the configuration that the caller uses, so that they are not reported as unused.
    """

    window: Annotated[str, Option("Length of the windows, such as '1d'. Default: one window of all rows", "1d")] = ""
    window_rows: Annotated[int | None, Option("Number of rows of a window, instead of a length", "N")] = None
    reference_last: Annotated[str, Option("Compare each window with this much time before it", "30d")] = ""
    reference_without: Annotated[
        str, Option("How long before the end of the window that time ends. Default: at its beginning", "24h")
    ] = ""
    objectives: Annotated[
        tuple[str, ...], Option("Objective of a metric, such as 'recall >= 0.8'", '"METRIC >= NUMBER"', repeated=True)
    ] = ()
    metrics: Annotated[
        tuple[str, ...], Option("Metric to compute in addition, such as 'fbeta@0.5'", "NAME", repeated=True)
    ] = ()
    method: Annotated[tuple[str, ...], Option("Drift method that decides", "[FEATURE=]NAME", repeated=True)] = ()
    methods: Annotated[
        tuple[str, ...], Option("Drift methods that are shown in addition", "[FEATURE=]NAME,NAME", repeated=True)
    ] = ()
    exact: Annotated[bool, Option("Compute drift methods from the rows instead of bins")] = False
    classifier: Annotated[
        bool, Option("Train a classifier to distinguish the rows from those of the baseline, and show how it does")
    ] = False
    importance_weighted: Annotated[
        bool, Option("Estimate the performance also from weighted labelled rows of the baseline")
    ] = False
    mispredictions: Annotated[int, Option("Number of the most wrong rows of each window to return", "N")] = 0
    curves: Annotated[bool, Option("Include the points of curves and the confusion matrix in the JSON")] = False
    config: Annotated[
        Path | None, Option("driftline.yaml with the model; its keys are used if an option is not given", "FILE")
    ] = None
    expect: Annotated[Path | None, Option("driftline.yaml with the expectations of the data", "FILE")] = None
    performance: Annotated[
        Path | None, Option("driftline.yaml with the performance settings and objectives", "FILE")
    ] = None
    default_windows: tuple[str, ...] = ()
    used_sections: tuple[str, ...] = ()

    @classmethod
    def of_columns(cls, columns: ColumnOptions, **others: Any) -> EvaluationOptions:
        """Return the options with those of the columns.

        Args:
            columns: The model and its columns.
            **others: The other options by name.
        """
        return cls(**{field.name: getattr(columns, field.name) for field in fields(columns)}, **others)
