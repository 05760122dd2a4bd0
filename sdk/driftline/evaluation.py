"""Evaluate tables or files in Python, as `driftline evaluate` does. Requires the extra ``notebook``.

The evaluator is found through an entry point at the first call, so the SDK does not import the processor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from os import PathLike
from typing import Any, Literal, Never, Protocol, TypeAlias

GROUP = "driftline_evaluation"

FrameKind: TypeAlias = Literal["drift", "performance", "windows"]
Names: TypeAlias = str | Sequence[str]
Table: TypeAlias = Any
"""A pandas or polars DataFrame, an Arrow table, a mapping of columns, or the path of a file."""


class ModelVerdict(Protocol):
    """The health of a model: a state and its explanation."""

    @property
    def state(self) -> str:
        """State: "healthy", "degraded", "at_risk", "unknown", "no_data" or "lagging"."""

    @property
    def headline(self) -> str:
        """State, begin and size in about a dozen words."""

    @property
    def evidence(self) -> str:
        """The numbers that show the state, as a sentence; "" if the cause is all that is known."""

    @property
    def cause(self) -> str:
        """The cause, as a sentence; "" if unknown."""

    @property
    def later(self) -> str:
        """What began after a degradation, as sentences; "" without any."""

    @property
    def now(self) -> str:
        """What the newest window of a degraded model shows, and what ends the degradation; "" in other states."""

    @property
    def action(self) -> str:
        """Recommended action, as a sentence."""

    @property
    def certainty(self) -> str:
        """Confidence of the verdict, as a sentence."""

    @property
    def sentence(self) -> str:
        """All of it in one sentence."""


class EvaluationReport(Protocol):
    """The result of :func:`driftline.evaluate`.

    A notebook shows the report as a page, and ``print`` shows its verdict.
    """

    @property
    def verdict(self) -> ModelVerdict:
        """Verdict over all windows."""

    @property
    def windows(self) -> Sequence[Mapping[str, Any]]:
        """Windows, oldest first, in the form that ``driftline evaluate --json`` writes."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences about values that were guessed, left out or not usable."""

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``driftline evaluate --json`` prints."""

    def to_frame(self, kind: FrameKind = "drift") -> Any:
        """Return a polars DataFrame if the rows were a polars DataFrame, otherwise a pandas DataFrame.

        Args:
            kind: The content of the DataFrame. "drift": one row per window and column. "performance": one row per
                window and metric. "windows": one row per window.

        Raises:
            ImportError: Both pandas and polars are missing. :meth:`to_arrow` works without them.
        """

    def to_arrow(self, kind: FrameKind = "drift") -> Any:
        """Return the table of ``to_frame`` as a ``pyarrow.Table``.

        Args:
            kind: The content of the table, as in :meth:`to_frame`.
        """

    def figure(self, name: str = "", window: int | None = None) -> Any:
        """Return an interactive figure, a ``plotly.graph_objects.Figure``, which the user can change.

        Args:
            name: What the figure shows. For a feature, "score" or "class", this is its distribution in the window and
                in the baseline. For a metric, such as "log_loss", this is its value and interval in each window, and
                its value in the baseline. Default: the feature with the largest drift.
            window: Index of the window in :attr:`windows`. Default: the newest closed window.

        Raises:
            ImportError: plotly is not installed.
            IndexError: There is no such window.
            ValueError: There is no such feature or metric. The message names the most similar features and metrics.
        """

    def to_html(self) -> str:
        """Return a self-contained HTML page with all features, as ``driftline evaluate --html`` writes it."""


def evaluate(
    current: Table | Sequence[Table],
    baseline: Table | None = None,
    *,
    champion: Table | None = None,
    outcomes: Table | None = None,
    # Options: make semconv
    model: str = "",
    version: str = "",
    task: str = "",
    score: Names = (),
    predicted: str = "",
    actual: str = "",
    time: str = "",
    id: str = "",
    classes: Sequence[object] = (),
    positive_class: object = "",
    threshold: float | None = None,
    quantiles: Sequence[object] = (),
    features: Names = (),
    text_features: Names = (),
    category_features: Names = (),
    slices: Names = (),
    seasonality: str = "",
    timezone: str = "",
    ignore_time: bool = False,
    items: str = "",
    version_column: str = "",
    latency: str = "",
    error: str = "",
    decimal: str = "",
    thousands: str = "",
    date_format: str = "",
    cluster: str = "",
    window: str = "",
    window_rows: int | None = None,
    reference_last: str = "",
    reference_without: str = "",
    objectives: Names = (),
    metrics: Names = (),
    method: Names = (),
    methods: Names = (),
    exact: bool = False,
    classifier: bool = False,
    importance_weighted: bool = False,
    mispredictions: int = 0,
    curves: bool = False,
    config: str | PathLike[str] | None = None,
    expect: str | PathLike[str] | None = None,
    performance: str | PathLike[str] | None = None,
    # End of options
    progress: bool | None = None,
    **unknown: Never,
) -> EvaluationReport:
    """Evaluate the health of a model: compare rows with a baseline, as ``driftline evaluate`` does.

    Tables are pandas or polars DataFrames, Arrow tables, mappings of columns, and objects with ``__arrow_c_stream__``
    or ``__dataframe__``. The index of a DataFrame is not a column. Paths are read in the same way as by the command.
    Each option has the same name and meaning as in the command (``driftline evaluate --help``).

    Args:
        current: Rows to evaluate: a table, a path, or a list of tables and paths.
        baseline: What to compare with: a table, the path of a file with rows, a :class:`driftline.Baseline`, or the
            path of a built baseline.
        champion: Predictions of the version in service, for the same rows or the same period. If ``baseline`` is not
            given, these predictions are also the baseline. The comparison is in ``to_dict()["versions"]`` of the
            result.
        outcomes: Actual values: a table or a path with ``id``, ``actual``,
            and optionally ``time`` and ``weight``.
        model: Name of the model.
        version: Version of the model.
        task: What the model predicts.
        score: Column of the score. For a multiclass model, give one column per class.
        predicted: Column of the predicted class or value.
        actual: Column of the outcome (what really happened), or 'none' if the rows have no outcomes.
        time: Column of the time of the prediction.
        id: Column of the prediction id, by which outcomes are joined.
        classes: Classes, in the order of the score columns.
        positive_class: The score is the probability of this class.
        threshold: The positive class is predicted if the score is at least this threshold.
        quantiles: Levels of the quantiles that a regression predicts, in the order of the score columns.
        features: Columns that are features. Default: all other columns.
        text_features: Features that contain free text, or 'none'. Default: these features are detected from their
            values.
        category_features: Numeric features whose values are categories, such as codes, or 'none'. Default: these
            features are detected automatically.
        slices: Columns whose values are also evaluated separately, such as a country or a plan.
        seasonality: Compare only with baseline rows of the same hour, weekday or hour of the week. 'none' compares with
            all baseline rows. Default: the seasons that were found in the baseline.
        timezone: Time zone of days and hours, such as 'Europe/Paris'. Default: the time zone of the baseline, otherwise
            UTC.
        ignore_time: Treat the baseline rows as independent, and ignore differences between days and hours.
        items: Column of the ranked items, best first. Each value is a list, or a list written as JSON.
        version_column: Column of the version that made the prediction. If there are outcomes, versions are compared.
        latency: Column of the duration of the call in seconds, or in milliseconds if the name ends in _ms.
        error: Column of the error of the call. The value is empty, 0 or false if the call succeeded.
        decimal: Decimal mark of numbers in a CSV: '.' or ','. Default: '.'.
        thousands: Mark between thousands in a CSV: comma, point, space or apostrophe. Default: none.
        date_format: Format of times, such as '%d/%m/%Y'. Default: ISO 8601, unix times, or the format that is found
            from the values.
        cluster: Rows with the same value in this column are dependent, such as rows of one customer or machine.
        window: Length of the windows, such as '1d'. Default: one window of all rows.
        window_rows: Number of rows per window, for windows without a fixed length.
        reference_last: Length of the reference period. Each window is compared with the rows of a reference period
            before the window.
        reference_without: Time between the end of the reference period and the end of the window. Default: the length
            of the window. The reference period then ends where the window starts.
        objectives: Objective of a metric, such as 'recall >= 0.8'.
        metrics: Metric to compute in addition, such as 'fbeta@0.5'.
        method: Drift method that decides whether there is drift.
        methods: Drift methods that are shown in addition.
        exact: Compute the values of drift methods from rows instead of bins. Whether there is drift is still decided
            from bins.
        classifier: Train a classifier to distinguish the rows from the baseline rows, and show how well the classifier
            does so.
        importance_weighted: Also estimate the performance from the baseline rows that have outcomes. They are weighted
            so that they resemble the window's rows.
        mispredictions: For each window, return the N rows whose predictions differ most from the outcomes.
        curves: Include the confusion matrix and the points of curves, such as ROC, in the JSON.
        config: driftline.yaml that configures the model. Options that are not given have the values of this file.
        expect: driftline.yaml with expectations: the rules that the data must satisfy.
        performance: driftline.yaml with the performance settings and objectives.
        progress: Whether to show a progress bar. Default: show one after two seconds if the output is a terminal or a
            notebook.
        **unknown: Not accepted. Any other name raises an error that names the closest option.

    Raises:
        ImportError: The extra ``notebook`` is not installed.
        TypeError: An option does not exist.
        ValueError: A table, a column or an option is not valid. The message names the rule and the fix.

    >>> import driftline
    >>> before = {"age": [20 + row % 40 for row in range(500)], "plan": ["basic", "pro"] * 250}
    >>> after = {"age": [45 + row % 40 for row in range(500)], "plan": ["basic", "pro"] * 250}
    >>> report = driftline.evaluate(after, baseline=before)
    >>> {name: found["state"] for name, found in report.windows[0]["drift"]["features"].items()}
    {'age': 'drift', 'plan': 'ok'}
    """
    options = {name: value for name, value in locals().items() if name not in _NO_OPTIONS}
    evaluation_report: EvaluationReport = _evaluator()(
        current, baseline, outcomes, {**options, **unknown}, progress, champion
    )
    return evaluation_report


_NO_OPTIONS = ("current", "baseline", "outcomes", "champion", "progress", "unknown")


def _evaluator() -> Any:
    """Return the evaluator from its entry point. Raises ``ImportError`` if it or a dependency is not installed."""
    points = tuple(entry_points(group=GROUP))
    try:
        if points:
            return points[0].load()
        cause = None
    except ModuleNotFoundError as error:
        cause = error
    lacks = f" ({cause.name} is missing)" if cause is not None else ""
    raise ImportError(
        f"evaluate() requires more packages than the SDK{lacks}; "
        "in a clone of Driftline, run: pip install '.[notebook]'"
    ) from cause
