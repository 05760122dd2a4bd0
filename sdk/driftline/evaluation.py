"""Evaluate tables or files in Python, as `driftline evaluate` does: the door to what the extra ``notebook`` brings.

The SDK stays small: what evaluates is found by an entry point, when it is called for the first time.
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
    """Whether a model is healthy, in a word and in a sentence."""

    @property
    def state(self) -> str:
        """State: "healthy", "degraded", "at_risk", "unknown", "no_data" or "lagging"."""

    @property
    def sentence(self) -> str:
        """Sentence that says it."""

    @property
    def next(self) -> str:
        """Sentence that says what to do."""

    @property
    def sure(self) -> str:
        """Sentence that says how sure that is."""


class EvaluationReport(Protocol):
    """What :func:`driftline.evaluate` found. A notebook shows it as a page; ``print`` shows its verdict."""

    @property
    def verdict(self) -> ModelVerdict:
        """Verdict over all windows."""

    @property
    def windows(self) -> Sequence[Mapping[str, Any]]:
        """Windows, oldest first, as ``driftline evaluate --json`` writes them."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences about what was guessed, left out or could not be used."""

    def to_dict(self) -> dict[str, Any]:
        """Return what ``driftline evaluate --json`` prints."""

    def to_frame(self, kind: FrameKind = "drift") -> Any:
        """Return a table: of polars where the rows were, else of pandas.

        Args:
            kind: "drift": a row per window and column. "performance": a row per window and metric. "windows": a row per
                window.

        Raises:
            ImportError: Neither library is installed; :meth:`to_arrow` needs none.
        """

    def to_arrow(self, kind: FrameKind = "drift") -> Any:
        """Return the same table as a ``pyarrow.Table``.

        Args:
            kind: See :meth:`to_frame`.
        """

    def to_html(self) -> str:
        """Return one file of HTML to send, with all features: what ``driftline evaluate --html`` writes."""

    def plot(self, feature: str | None = None) -> Any:
        """Return a ``matplotlib.figure.Figure``.

        Args:
            feature: Feature whose values are drawn beside those of the baseline. Default: what drifted most, and the
                performance.

        Raises:
            ImportError: matplotlib is not installed.
            ValueError: There is no such feature.
        """


def evaluate(
    current: Table | Sequence[Table],
    baseline: Table | None = None,
    *,
    outcomes: Table | None = None,
    task: str = "",
    score: Names = "",
    predicted: str = "",
    actual: str = "",
    id: str = "",
    time: str = "",
    model: str = "",
    version: str = "",
    window: str = "",
    window_rows: int | None = None,
    reference_last: str = "",
    reference_without: str = "",
    objectives: Names = (),
    slices: Names = (),
    features: Names = (),
    text_features: Names = (),
    classes: Names = (),
    positive_class: object = "",
    threshold: float | None = None,
    quantiles: Sequence[float] = (),
    items: str = "",
    cluster: str = "",
    version_column: str = "",
    latency: str = "",
    error: str = "",
    seasonality: str = "",
    timezone: str = "",
    ignore_time: bool = False,
    decimal: str = "",
    thousands: str = "",
    date_format: str = "",
    method: Names = (),
    methods: Names = (),
    metrics: Names = (),
    exact: bool = False,
    classifier: bool = False,
    importance_weighted: bool = False,
    mispredictions: int = 0,
    curves: bool = False,
    config: str | PathLike[str] | None = None,
    expect: str | PathLike[str] | None = None,
    performance: str | PathLike[str] | None = None,
    progress: bool | None = None,
    **unknown: Never,
) -> EvaluationReport:
    """Say whether a model is still healthy: compare rows with a baseline, as ``driftline evaluate`` does.

    Tables are pandas or polars DataFrames, Arrow tables, mappings of columns, and whatever has ``__arrow_c_stream__``
    or ``__dataframe__``. The index of a DataFrame is no column. A path is read as the command reads it. Each option
    has the name and the meaning of the command's (``driftline evaluate --help``).

    Args:
        current: Rows to judge: a table, a path, or a list of these.
        baseline: What they are compared with: a table or a path of rows, a :class:`driftline.Baseline`, or the path of
            a built one.
        outcomes: What really happened: a table or a path with ``id``, ``actual``, and perhaps ``time``, ``weight``.
        task: "binary", "multiclass", "regression" or "ranking".
        score: Column of the score; one per class for multiclass.
        predicted: Column of the decided class, or of the value.
        actual: Column of what really happened.
        id: Column of the prediction id, which outcomes refer to.
        time: Column of when it was predicted.
        model: Name of the model.
        version: Version of the model.
        window: Length of the windows that rows are cut into, such as "1d".
        window_rows: Rows of a window.
        reference_last: Past that each window is compared with, such as "30d".
        reference_without: How long before a window that past ends, such as "24h".
        objectives: What metrics shall be, such as "recall >= 0.8".
        slices: Columns by whose values drift and performance are looked at, too.
        features: Names of the features. Default: all other columns.
        text_features: Features that are documents, or "none". Default: those that look like it.
        classes: Classes in the order of the score columns.
        positive_class: Class whose probability the score is.
        threshold: Score from which the positive class is predicted.
        quantiles: Levels that a regression predicts, in the order of the score columns.
        items: Of a ranking, the column of the items, best first.
        cluster: Column whose equal values say which rows belong together.
        version_column: Column of which version predicted.
        latency: Column of how long each call took, in seconds.
        error: Column of by which error a call failed.
        seasonality: "hour", "weekday", "hour_of_week" or "none". Default: as the baseline repeats.
        timezone: By whose clock, such as "Europe/Paris".
        ignore_time: Whether rows of the baseline are taken for independent.
        decimal: Decimal mark of numbers in a CSV, "." or ",".
        thousands: Mark between thousands in a CSV: ",", ".", " " or "'".
        date_format: Format of times in a CSV that are not ISO 8601, as strptime reads it.
        method: Drift methods that decide: a name, or "feature=name".
        methods: Drift methods that are shown beside these.
        metrics: Names of metrics that are wanted, too, such as "fbeta@0.5".
        exact: Whether values of drift methods come from rows, not from bins.
        classifier: Whether a classifier tells the rows from those of the baseline, and by what.
        importance_weighted: Whether the labelled rows of the baseline, weighted, give estimates, too.
        mispredictions: How many of the most wrong rows of each window are kept.
        curves: Whether :meth:`EvaluationReport.to_dict` has the points of curves.
        config: A ``driftline.yaml`` that says what no option says.
        expect: A ``driftline.yaml`` with what is expected of the data.
        performance: A ``driftline.yaml`` with what is asked of the performance.
        progress: Whether a bar shows how far the work is. Default: on a terminal or in a notebook, after two seconds.
        **unknown: Nothing: another name is an error that says which name is meant.

    Raises:
        ImportError: The extra is not installed.
        TypeError: There is no such option.
        ValueError: A table, a column or an option cannot be made sense of; the sentence says why, and what helps.

    >>> import driftline
    >>> before = {"age": [20 + row % 40 for row in range(500)], "plan": ["basic", "pro"] * 250}
    >>> after = {"age": [45 + row % 40 for row in range(500)], "plan": ["basic", "pro"] * 250}
    >>> report = driftline.evaluate(after, baseline=before)
    >>> {name: found["state"] for name, found in report.windows[0]["drift"]["features"].items()}
    {'age': 'drift', 'plan': 'ok'}
    """
    options = {name: value for name, value in locals().items() if name not in _NO_OPTIONS}
    found: EvaluationReport = _evaluator()(current, baseline, outcomes, {**options, **unknown}, progress)
    return found


_NO_OPTIONS = ("current", "baseline", "outcomes", "progress", "unknown")


def _evaluator() -> Any:
    """Return what evaluates. Raises ``ImportError`` where it, or what it needs, is not installed."""
    points = tuple(entry_points(group=GROUP))
    try:
        if points:
            return points[0].load()
        cause = None
    except ModuleNotFoundError as error:
        cause = error
    lacks = f" ({cause.name} is missing)" if cause is not None else ""
    raise ImportError(f"evaluate() needs more than the SDK{lacks}: in a clone, pip install '.[notebook]'") from cause
