"""Captured rows for a test to read, decoded from the bytes to send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from driftline.semconv import attributes as a


@dataclass(frozen=True, slots=True, repr=False)
class CapturedPrediction:
    """One row of a record.

    ``features``, ``slices``: name → number, text, tuple of numbers (a vector) or None (missing). ``score``: a float;
    multiclass: a tuple in the order of ``classes``; ranking: a tuple of the scores of ``items``, NaN where one has
    none; None where there is none. ``predicted``: the class that was decided for, or that the score decides for as
    everywhere in Driftline; "" where there is none. ``items``: of a ranking, best first. ``time``: in UTC.
    ``duration``: seconds. ``span``: the span that ended with it; None where it was not sampled.
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
        """The type of what the call raised, "" where it returned. A record does not hold it, only the span does."""
        attributes = {} if self.span is None else self.span.attributes or {}
        return str(attributes.get(a.ERROR_TYPE, ""))

    def __repr__(self) -> str:
        said = [] if self.score is None else [f"score {self.score!r}"]
        said += [f"predicted {self.predicted!r}"] if self.predicted else []
        said += [f"items {self.items!r}"] if self.items else []
        said += [f"features {dict(self.features)!r}"]
        said += [f"slices {dict(self.slices)!r}"] if self.slices else []
        said += [f"error {self.error!r}"] if self.error else []
        return f"<{self.model} {self.id!r}: {', '.join(said)}>"


@dataclass(frozen=True, slots=True)
class CapturedOutcome:
    """One outcome. ``actual``: as it is sent, None where it is retracted; times in UTC, None where not said.

    ``item``: "" where it is about the whole prediction. ``slices``: as they left.
    """

    model: str
    id: str
    actual: Any
    time: datetime | None = None
    prediction_time: datetime | None = None
    weight: float | None = None
    item: str = ""
    value: float | None = None
    retracted: bool = False
    slices: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Count:
    """A count of ``ml.predictions``: of one model and version, decided class and error type."""

    model: str
    version: str
    predicted: str
    error: str
    predictions: int


@dataclass(frozen=True, slots=True)
class Distribution:
    """A point that is sent as a metric. ``metric``: its name, such as ``ml.feature.value``.

    ``feature``: "" where it is of scores or durations. ``count``: values; of ``ml.feature.missing`` and
    ``ml.feature.categories`` predictions. ``sum``, ``low``, ``high``: None where they are not sent.
    ``point``: the OTLP message, with bounds and buckets.
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


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss, by the metric that counts it. ``model``: "" where that is not said."""

    metric: str
    model: str
    reason: str
    count: int
