"""Each public object is a few lines in a notebook or a terminal, however much it contains."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import driftline
import driftline.testing
import numpy as np
import pytest
from driftline.batch_panes import MadePane
from driftline.testing import CapturedOutcome, CapturedPrediction, Clock, Count, Distribution, Loss, capture
from driftline_integrations.web.routes import Route

MANY = range(3000)
LONG = "value " * 500
WORDS = tuple(f"value {i}" for i in MANY)
NUMBERS = {f"feature {i}": float(i) for i in MANY}
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@cache
def rows() -> dict[str, Any]:
    """Return rows with many features, categories and times."""
    random = np.random.default_rng(7)
    numbers = {f"feature {i}": random.normal(size=400) for i in range(200)}
    city = [f"city {i % 90}" for i in range(400)]
    time = np.datetime64("2026-01-01", "s") + np.arange(400) * np.timedelta64(1, "h")
    return {**numbers, "city": city, "time": time, "score": random.uniform(size=400)}


@cache
def baseline() -> driftline.Baseline:
    actual = np.arange(400) % 2
    return driftline.Baseline.from_frame(
        rows(), score="score", time="time", actual=actual, model="churn", task="binary", version="7", slices=["city"]
    )


def captured() -> driftline.testing.Capture:
    churn = driftline.Model("churn", task="binary")
    with capture() as made, churn.prediction(features=NUMBERS) as prediction:
        prediction.score = 0.25
    return made


def prediction() -> driftline.Prediction:
    churn = driftline.Model("churn", task="binary")
    with capture(), churn.prediction(features=NUMBERS) as made:
        made.score = 0.25
    return made


def rejections() -> tuple[driftline.Rejection, ...]:
    return tuple(driftline.Rejection(i, LONG) for i in MANY)


def unknown() -> driftline.UnknownOutcomes:
    return driftline.UnknownOutcomes("id", 3000, 3000, LONG)


def captured_prediction() -> CapturedPrediction:
    scores = tuple(NUMBERS.values())
    return CapturedPrediction("m", "", "ranking", (), "a", NUMBERS, scores, "", WORDS, NUMBERS, NOW, 0.1, None)


def report(names: Collection[str]) -> Any:
    """Evaluate rows whose column "feature 7" has drifted."""
    before = {name: rows()[name] for name in names}
    return driftline.evaluate({**before, "feature 7": np.ones(400)}, baseline=before, window="1d")


LARGEST: dict[type, Callable[[], Any]] = {
    driftline.Accepted: lambda: driftline.Accepted(3000, rejections(), (unknown(),) * 3),
    driftline.Baseline: baseline,
    driftline.EvaluationReport: lambda: report(rows()),
    driftline.MadePanes: lambda: driftline.make_panes(
        rows(), baseline(), score="score", time="time", slices={"city": rows()["city"]}
    ),
    driftline.Model: lambda: driftline.Model("churn", task="multiclass", classes=WORDS, baseline=None),
    driftline.Prediction: prediction,
    driftline.Privacy: lambda: driftline.Privacy(
        allow=WORDS, hash=WORDS, round=dict.fromkeys(NUMBERS, 0.5), deny=WORDS, key="a" * 64, hash_id=True
    ),
    driftline.Rejection: lambda: rejections()[0],
    driftline.SentPanes: lambda: driftline.SentPanes(1, 2, 3, 4, rejections()),
    driftline.TrainingRun: lambda: driftline.training_run("churn"),
    driftline.UnknownOutcomes: unknown,
    driftline.testing.Capture: captured,
    CapturedOutcome: lambda: CapturedOutcome("m", LONG, LONG, slices=NUMBERS),
    CapturedPrediction: captured_prediction,
    Clock: lambda: captured().clock,
    Count: lambda: Count("churn", "7", "1", "", 301),
    Distribution: lambda: Distribution("metric", "churn", "", 1, 0.0, 0.0, 0.0, NUMBERS, None),
    Loss: lambda: Loss("metric", "churn", "reason", 3),
    Route: lambda: Route(features=WORDS, slices=dict(zip(WORDS, WORDS, strict=True))),
}
"""Public class → function that makes a large instance."""


def test_every_public_class_has_a_large_instance_here() -> None:
    names = [(module, name) for module in (driftline, driftline.testing) for name in module.__all__]
    public = {value for module, name in names if inspect.isclass(value := getattr(module, name))}
    exceptions = {kind for kind in public if issubclass(kind, Exception)}

    assert public - exceptions == LARGEST.keys() - {Route}


@pytest.mark.parametrize("kind", LARGEST, ids=lambda kind: kind.__name__)
def test_its_repr_is_a_few_lines(kind: type) -> None:
    made = LARGEST[kind]()

    assert len(repr(made)) <= 1000
    assert repr(made).count("\n") <= 5
    parts = [name for name in getattr(kind, "__dataclass_fields__", ()) if hasattr(made, name)]
    records = [part for name in parts if hasattr(part := getattr(made, name), "__dataclass_fields__")]
    assert [type(part).__name__ for part in records if len(repr(part)) > 1000] == []


NOT_RECORDS = {driftline.Baseline, driftline.Privacy}  # with a text of their own
RECORDS = sorted((kind for kind in LARGEST if is_dataclass(kind) and kind not in NOT_RECORDS), key=str)


@pytest.mark.parametrize("kind", [*RECORDS, MadePane], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("value", [LONG, WORDS, NUMBERS, [NUMBERS] * 9, np.ones(3000), b"a" * 3000], ids=range(6))
def test_no_field_makes_the_repr_of_a_record_long(kind: Any, value: Any) -> None:
    names = kind._fields if hasattr(kind, "_fields") else [field.name for field in fields(kind)]
    record: Any = object.__new__(kind) if isinstance(kind, type) and is_dataclass(kind) else kind(*[value] * len(names))
    for name in names if is_dataclass(kind) else ():
        object.__setattr__(record, name, value)
    if kind is CapturedPrediction:
        own = {"features": NUMBERS, "slices": NUMBERS, "span": None, "predicted": LONG, "items": WORDS}
        for name, of_its_type in own.items():
            object.__setattr__(record, name, of_its_type)

    assert len(repr(record)) <= 1000


def test_a_report_in_a_notebook_does_not_grow_with_the_number_of_columns() -> None:
    small = report(["feature 7", *(f"feature {i}" for i in range(20)), "time", "score"])

    assert len(report(rows())._repr_html_()) < 1.2 * len(small._repr_html_())
