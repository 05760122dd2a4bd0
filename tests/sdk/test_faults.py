"""Whatever breaks inside, the caller's function returns and raises what it would have, and one line says so."""

# ruff: noqa: ARG001, ARG005 - functions that predict the same whatever they are given

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from driftline import (
    block,
    call,
    capture,
    columns,
    convert,
    counts,
    distributions,
    outputs,
    points,
    quick,
    records,
    span,
)
from driftline.distribution import Vocabulary
from driftline.distributions import Distributions
from driftline.exponential import Exponential
from driftline.faults import FAULTS, Faults
from driftline.identity import Identity
from driftline.ids import IdSource
from driftline.inputs.row import clean
from driftline.pipeline import Pipeline
from driftline.plan import Plan
from driftline.prediction import Prediction
from driftline.reporter import Reporter
from driftline.rows import Bounded
from driftline.tally import Tally

from .service import Service, returns

STEPS: list[tuple[Any, str]] = [
    (call, "take_inputs"),
    (quick, "clean"),
    (call, "take_result"),
    (call, "fill"),
    (call, "span_attributes"),
    (quick, "scored_attributes"),
    (quick, "set_span_in_context"),
    (call, "measure"),
    (call, "set_span_in_context"),
    (call, "_open_of"),
    (call, "_record"),
    (capture, "clean"),
    (capture, "reader_for"),
    (outputs, "keep"),
    (outputs, "read"),
    (span, "read_one"),
    (Identity, "derive"),
    (IdSource, "uuid7"),
    (Pipeline, "append"),
    (Plan, "shape_of"),
    (Bounded, "append"),
    (convert, "_singles"),
    (convert, "_batch"),
    (block, "decide"),
    (records, "log_record"),
    (records, "resource_attributes"),
    (columns, "encode_column"),
    (counts, "_counter"),
    (Prediction, "names"),
    (points, "metrics_data"),
    (points, "resource_attributes"),
    (distributions, "merge"),
    (Distributions, "add"),
    (Distributions, "take"),
    (Distributions, "settle"),
    (Reporter, "add"),
    (Tally, "add"),
    (Tally, "merge"),
    (Exponential, "add"),
    (Exponential, "fresh"),
    (Vocabulary, "name"),
]


class Hostile:
    """A value that says what it holds when it is read as a number."""

    def __float__(self) -> float:
        raise LookupError("078-05-1120")


@pytest.mark.parametrize(("home", "name"), STEPS, ids=lambda value: getattr(value, "__name__", value))
def test_no_step_that_breaks_reaches_the_caller(
    service: Service, monkeypatch: pytest.MonkeyPatch, home: Any, name: str
) -> None:
    churn = service.model(metrics_channel=service.metrics)

    @churn.predict(id="id")
    def score(row: dict[str, Any]) -> float:
        return 0.25

    @churn.predict
    def outer(row: dict[str, Any]) -> dict[str, float]:
        return {"score": score(row)}

    @churn.predict
    def batch(X: Any) -> Any:
        return X[:, 0]

    @churn.predict
    def failing(row: dict[str, Any]) -> float:
        raise LookupError("no")

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("broken inside")

    X = np.ones((3, 2))
    monkeypatch.setattr(FAULTS, "raising", False)
    monkeypatch.setattr(home, name, property(broken) if name == "names" else broken)

    for _ in range(2):
        assert score({"id": 1, "x": 1.0}) == 0.25
        assert outer({"id": 1, "x": 1.0}) == {"score": 0.25}
        assert batch(X) is not None
        with pytest.raises(LookupError, match="no"):
            failing({"x": 1.0})
        with churn.prediction(features={"x": 1.0}) as p:
            p.score = 0.5
        churn.outcome("a", 1)
    assert len(service.spans) == 10 or name == "set_span_in_context"
    service.flush()
    monkeypatch.undo()

    for _ in range(3):
        score({"id": 1, "x": 1.0})
    assert sum(map(len, service.tables())) >= 3


def test_a_fault_is_logged_once_a_kind_and_counted_always(caplog: pytest.LogCaptureFixture) -> None:
    faults = Faults()
    for error in (ValueError("a"), ValueError("b"), KeyError("c")):
        faults.swallow("row", error)
    try:
        clean((Hostile(),))
    except LookupError as error:
        faults.swallow("row", error)

    assert faults.drain() == {"ValueError": 2, "KeyError": 1, "LookupError": 1}
    assert faults.drain() == {}
    told = [re.sub(r"\d+", "N", record.getMessage()) for record in caplog.records]
    assert told == [
        f"driftline: internal error in row ({what}); predictions are not affected, further ones are only counted"
        for what in (
            "ValueError at an unknown line",
            "KeyError at an unknown line",
            "LookupError at driftline.inputs.row:N",
        )
    ]
    assert "078-05-1120" not in caplog.text


def test_faults_are_counted_through_the_applications_meters(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FAULTS, "raising", False)
    counted: list[tuple[str, int]] = []
    monkeypatch.setattr("driftline.pipeline.count_own", lambda _, faults: counted.extend(faults.items()))
    monkeypatch.setattr(call, "take_inputs", lambda *args: 1 / 0)
    score = service.model().predict(returns(0.5))
    score({"x": 1.0})
    service.flush()

    assert counted == [("ZeroDivisionError", 1)]
