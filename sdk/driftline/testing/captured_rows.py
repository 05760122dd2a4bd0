"""Captured rows, decoded from the request bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from driftline.semconv import attributes as a
from driftline.tables.text import cut_middle, short_record, short_repr


@dataclass(frozen=True, slots=True, repr=False)
class CapturedPrediction:
    """One recorded prediction.

    Attributes:
        model: Name of the model.
        version: Version of the model, or "" if the model has no version.
        task: "binary", "multiclass", "regression" or "ranking".
        classes: Classes in the order of the scores.
        id: Id of the prediction.
        features: Mapping from the name of a feature to its value: a number, a text, a tuple of numbers (a vector), or
            None if it is missing.
        score: One float. For "multiclass", a tuple of floats in the order of ``classes``. For "ranking", a tuple of
            floats in the order of ``items``, with NaN for an item without a score. None if there is no score.
        predicted: Predicted class or value. If the code sets no class, the class is derived from the score. "" if class
            and score are missing.
        items: Items of a ranking, best first.
        slices: Mapping from the name of a slice to its value, in the same form as ``features``.
        time: Time of the prediction, UTC.
        duration: Duration of the prediction in seconds.
        span: Span of the prediction, or None if the span was not sampled.
    """

    model: str
    version: str
    task: str
    classes: tuple[str, ...]
    id: str
    features: Mapping[str, Any]
    score: Any
    predicted: str
    items: tuple[str, ...]
    slices: Mapping[str, Any]
    time: datetime
    duration: float
    span: ReadableSpan | None = field(compare=False)

    @property
    def error(self) -> str:
        """Type of the exception that the call raised, or "" for a call that returned.

        The type is read from the sampled span.
        """
        attributes = {} if self.span is None else self.span.attributes or {}
        return str(attributes.get(a.ERROR_TYPE, ""))

    def __repr__(self) -> str:
        parts = [] if self.score is None else [f"score {short_repr(self.score)}"]
        parts += [f"predicted {self.predicted!r}"] if self.predicted else []
        parts += [f"items {short_repr(self.items)}"] if self.items else []
        parts += [f"features {short_repr(dict(self.features))}"]
        parts += [f"slices {short_repr(dict(self.slices))}"] if self.slices else []
        parts += [f"error {self.error!r}"] if self.error else []
        return cut_middle(f"<{self.model} {self.id!r}: {', '.join(parts)}>")


@dataclass(frozen=True, slots=True)
class CapturedOutcome:
    """One recorded outcome.

    Attributes:
        model: Name of the model.
        id: Id of the prediction.
        actual: Actual class or value as a text, as it is sent. None for a retraction.
        time: Time at which the outcome was known, in UTC. None if the time is not given.
        prediction_time: Time of the prediction, in UTC. None if the time is not given.
        weight: 1 divided by the probability with which the row was chosen for labelling. None if it is not given.
        item: Item of a ranking, or "" for an outcome of the whole prediction.
        value: Worth of the prediction, or None if it is not given.
        retracted: True for a retraction.
        slices: Mapping from the name of a slice to its value, as it is sent.
    """

    model: str
    id: str
    actual: str | None
    time: datetime | None = None
    prediction_time: datetime | None = None
    weight: float | None = None
    item: str = ""
    value: float | None = None
    retracted: bool = False
    slices: Mapping[str, Any] = field(default_factory=dict, hash=False)

    __repr__ = short_record


@dataclass(frozen=True, slots=True)
class Count:
    """One count of the metric ``ml.predictions``.

    Attributes:
        model: Name of the model.
        version: Version of the model.
        predicted: Predicted class, or "" if there is no class.
        error: Type of the exception, or "" for calls that returned.
        predictions: Number of predictions.
    """

    model: str
    version: str
    predicted: str
    error: str
    predictions: int

    __repr__ = short_record


@dataclass(frozen=True, slots=True)
class Distribution:
    """One point of a distribution that Driftline sends as a metric.

    Attributes:
        metric: Name of the metric, such as ``driftline.feature.distribution``.
        model: Name of the model.
        feature: Name of the feature, or "" for scores and durations.
        count: Number of values. For ``driftline.feature.missing.values`` and ``driftline.feature.categories``, it is
            the number of predictions.
        sum: Sum of the values, or None if the sum is not sent.
        low: Minimum, or None if it is not sent.
        high: Maximum, or None if it is not sent.
        attributes: Mapping from the name of an attribute of the point to its value.
        point: OTLP message with bounds and buckets.
    """

    metric: str
    model: str
    feature: str
    count: int
    sum: float | None
    low: float | None
    high: float | None
    attributes: Mapping[str, Any]
    point: Any = field(compare=False, repr=False)

    __repr__ = short_record


@dataclass(frozen=True, slots=True)
class Loss:
    """One loss, and the metric that counts it.

    Attributes:
        metric: Name of the metric.
        model: Name of the model, or "" if it is not known.
        reason: Reason of the loss, as listed in docs/reference/bad-input.md.
        count: Number of predictions, outcomes or values.
    """

    metric: str
    model: str
    reason: str
    count: int

    __repr__ = short_record
