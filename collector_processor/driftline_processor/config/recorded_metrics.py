"""The keys of ``models.NAME.metrics``: mapping of metrics with other names to a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from pydantic import BeforeValidator, Field, StrictBool

from .section import Problem, Section, under
from .values import Form, Text

if TYPE_CHECKING:
    from driftline_processor.core.decode.foreign_metrics import MetricMapping

_HOLDS = ("feature", "feature_attribute", "score", "class_attribute", "duration")
_EXAMPLE = "such as {feature: amount} or {score: true}"


def _rows(value: object) -> object:
    return "" if value is True else str(value) if isinstance(value, (int, float)) else value


def _matched(value: object) -> object:
    """Return the values of attributes as text, even if YAML reads a number or a boolean."""
    if not isinstance(value, Mapping):
        return value
    return {key: {True: "true", False: "false"}[v] if isinstance(v, bool) else v for key, v in value.items()}


class Metric(Section):
    """The content of one metric: a feature, the score, a count by class, or durations."""

    feature: Text | None = Field(
        default=None,
        description="The metric contains the values of this feature.",
        examples=["amount"],
        json_schema_extra={"shown": True},
    )
    feature_attribute: Text | None = Field(
        default=None,
        description="The metric contains the values of several features. This attribute of a point names the feature.",
        examples=[a.DRIFTLINE_FEATURE_NAME],
    )
    category_attribute: Text | None = Field(
        default=None,
        description="Each point counts the rows of one category of the feature. This attribute names the category.",
        examples=["plan"],
    )
    score: StrictBool = Field(default=False, description="The metric contains the score.", examples=["true"])
    class_attribute: Text | None = Field(
        default=None,
        description="Each point counts the rows of one predicted class. This attribute names the class.",
        examples=["late"],
    )
    duration: StrictBool = Field(
        default=False, description="The metric contains the durations of predictions.", examples=["true"]
    )
    match: Annotated[dict[str, Text], BeforeValidator(_matched)] = Field(
        default_factory=dict,
        description="Only points with these attribute values are used. An attribute can be on the point, its "
        "scope or its resource.",
        examples=["{http.route: /price}"],
    )
    version_attribute: Text = Field(
        default=a.ML_MODEL_VERSION,
        description="The attribute with the version of the model.",
        examples=[a.SERVICE_VERSION],
    )
    environment_attribute: Text | None = Field(
        default=None,
        description="The attribute with the environment.",
        examples=["site"],
        json_schema_extra={"default": "`deployment.environment.name` of the resource"},
    )
    rows: Annotated[str | None, BeforeValidator(_rows), Form("true, or text")] = Field(
        default=None,
        description="`true`: this metric counts the rows. With `feature_attribute`, write the name of a feature "
        "instead: the points of this feature are counted as rows.",
        examples=["true"],
    )
    gauge: StrictBool = Field(
        default=False, description="The metric is a gauge: each point is one value.", examples=["true"]
    )

    @property
    def holds(self) -> tuple[str, ...]:
        """The configured kinds of content; exactly one is allowed."""
        return tuple(key for key in _HOLDS if getattr(self, key))


def mapped(model: str, metrics: Mapping[str, Metric]) -> tuple[MetricMapping, ...]:
    """Return the mapping of a model's metrics for decoding points."""
    counting = counts_rows(metrics)
    return tuple(_mapped(model, name, metric, name == counting) for name, metric in metrics.items())


def counts_rows(metrics: Mapping[str, Metric]) -> str | None:
    """Return the name of the metric that counts rows: the configured one, else the most suitable."""

    def first(fits: Iterable[str]) -> str | None:
        return next(iter(fits), None)

    return first(name for name, metric in metrics.items() if metric.rows is not None) or first(
        name
        for key in ("score", "class_attribute", "duration", "feature")
        for name, metric in metrics.items()
        if key in metric.holds
    )


def _mapped(model: str, name: str, metric: Metric, rows: bool) -> MetricMapping:
    from driftline_processor.core.decode.foreign_metrics import MetricMapping

    target = m.DRIFTLINE_FEATURE_CATEGORIES if metric.category_attribute else m.DRIFTLINE_FEATURE_DISTRIBUTION
    if metric.score:
        target = m.DRIFTLINE_PREDICTION_SCORE
    elif metric.duration:
        target = m.ML_PREDICT_DURATION
    elif metric.class_attribute:
        target = m.ML_PREDICTIONS
    return MetricMapping(
        name,
        model,
        target,
        feature=metric.feature or "",
        feature_attribute=metric.feature_attribute or "",
        category_attribute=metric.category_attribute or metric.class_attribute or "",
        match=metric.match,
        version_attribute=metric.version_attribute,
        environment_attribute=metric.environment_attribute or "",
        rows=rows,
        rows_feature=(metric.rows or "") if metric.feature_attribute else "",
        gauge=metric.gauge,
    )


def metric_problems(metrics: Mapping[str, Metric], task_known: bool) -> Iterator[Problem]:
    """Yield a problem for every rule that a model's metrics break.

    Args:
        metrics: The metrics of one model, by their names.
        task_known: Whether the model names its task or its baseline.
    """
    for name, metric in metrics.items():
        yield from under(name, _problems(metric, task_known))
    metrics_by_point: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}
    for name, metric in metrics.items():
        recorded = metric.feature or ("the score" if metric.score else "durations" if metric.duration else "")
        before = (
            metrics_by_point.setdefault((recorded, tuple(sorted(metric.match.items()))), name) if recorded else name
        )
        if before != name:
            yield Problem(
                name,
                f"contains {recorded}, but {before} contains the same, so every row would count twice; "
                "remove one of them",
            )
    counting = [name for name, metric in metrics.items() if metric.rows is not None]
    if len(counting) > 1:
        yield Problem(
            f"{counting[1]}.rows", f"{counting[0]} already gives the number of rows; set rows for one metric only"
        )
    several = next((name for name, metric in metrics.items() if metric.holds == ("feature_attribute",)), None)
    if several is not None and counts_rows(metrics) is None:
        yield (
            Problem(
                f"{several}.rows",
                "no metric gives the number of rows; set it to a feature that has a value in every row, such as "
                "'rows: amount'",
            )
        )


def _problems(metric: Metric, task_known: bool) -> Iterator[Problem]:
    if not metric.holds:
        yield Problem("", f"needs a key that says what the metric contains; add one of {', '.join(_HOLDS)}, {_EXAMPLE}")
    elif len(metric.holds) > 1:
        yield Problem("", f"has the keys {' and '.join(metric.holds)}; a metric may have only one of these keys")
    if metric.category_attribute and not (metric.feature or metric.feature_attribute):
        yield Problem(
            "category_attribute",
            "needs the name of the feature whose categories it contains; add 'feature', or use 'class_attribute' "
            "instead if they are predicted classes",
        )
    if metric.rows and not metric.feature_attribute:
        yield Problem(
            "rows",
            f"'{metric.rows}' is the name of a feature, but the metric has no feature_attribute; use 'rows: true'",
        )
    if metric.rows == "" and metric.feature_attribute:
        yield Problem(
            "rows",
            "is true, but the metric has several features; use the name of a feature that has a value in every row, "
            "such as 'rows: amount'",
        )
    if metric.gauge and (metric.score or metric.duration) and not metric.category_attribute:
        yield Problem(
            "gauge",
            f"a gauge has one value for many rows, so it cannot give the {metric.holds[0]} of each row; "
            "record a histogram",
        )
    if metric.score and not task_known:
        yield Problem("score", "needs the model's task; add it next to metrics, for example task: binary")
