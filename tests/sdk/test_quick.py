"""The quick way and the general way say the same: a function's first call takes the one, its second the other."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

import driftline
import numpy as np
import pytest
from driftline import call, quick, span
from driftline.columns import strings
from driftline.convert import list_of
from driftline.pipelines import pipeline_of
from driftline.plan import Plan

from .service import Service

WIDE = {f"f{i}": float(i) for i in range(100)}


def _set_id(row: dict[str, Any]) -> float:
    prediction = driftline.current()
    assert prediction is not None
    prediction.id = row["x"]
    return 0.75


def _set_score(row: dict[str, Any]) -> float:  # noqa: ARG001
    prediction = driftline.current()
    assert prediction is not None
    prediction.score = 0.25
    return 0.75


def _fail(row: dict[str, Any]) -> float:
    raise LookupError(row["x"])


def _constant(value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda row: value  # noqa: ARG005


@pytest.mark.parametrize(
    ("row", "function", "options"),
    [
        ({"x": 1.5, "y": "a", "z": True}, _constant(0.75), {}),
        ({"x": 1.5, "order": "A-1"}, _constant(0.75), {"id": "order"}),
        ({"order": "A-1"}, _constant(0.75), {"id": "order"}),
        ({"x": None, "y": "a"}, _constant(0.75), {}),
        ({"x": 2**70, "y": "t" * 1000, "z": [1], "n": np.float32(1.5)}, _constant(0.25), {}),
        ({}, _constant(0.75), {}),
        (WIDE, _constant(0.75), {}),
        ({"x": 1.5}, _constant(0.75), {"span_features": False}),
        ({"x": 1.5}, _constant(math.nan), {}),
        ({"x": 1.5}, _constant(np.float64(0.75)), {}),
        ({"x": 1.5}, _constant(1), {}),
        ({"x": 1.5}, _constant({"a": 1}), {}),
        ({"x": 1.5}, _set_id, {}),
        ({"x": 1.5}, _set_score, {}),
        ({"x": 1.5}, _fail, {}),
    ],
    ids=[
        "plain",
        "id",
        "id and no feature",
        "missing",
        "odd values",
        "empty",
        "wide",
        "features off the span",
        "nan",
        "numpy score",
        "class",
        "unread",
        "id set inside",
        "score set inside",
        "raises",
    ],
)
@pytest.mark.parametrize("recording", [True, False])
def test_both_ways_leave_the_same(
    monkeypatch: pytest.MonkeyPatch, row: dict[str, Any], function: Any, options: dict[str, Any], recording: bool
) -> None:
    general, fast = Service(), Service()
    ways: list[str] = []
    monkeypatch.setattr(quick, "begin", _noting(ways, "general", call.begin))
    monkeypatch.setattr(quick, "scored_attributes", _noting(ways, "scored", span.scored_attributes))
    numbered = _Numbered()
    monkeypatch.setattr(quick, "IDS", numbered)
    monkeypatch.setattr("driftline.prediction.IDS", numbered)
    for service in (general, fast):
        score = service.model().predict(function, **options)
        pipeline_of(service.channel).recording = recording
        if service is fast:
            _plan_of(score).note_result(0.5)
        with contextlib.suppress(LookupError):
            score(dict(row))

    assert ways[0] == "general"
    assert ways[1:] in (["scored"], [])
    assert _seen(general) == _seen(fast)


def _plan_of(function: Any) -> Plan:
    cells = dict(zip(function.__code__.co_freevars, function.__closure__, strict=True))
    plan: Plan = cells["plan"].cell_contents
    return plan


def _noting(notes: list[str], note: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def noting(*args: Any) -> Any:
        notes.append(note)
        return function(*args)

    return noting


class _Numbered:
    def uuid7(self, unix_nanoseconds: int) -> str:
        return f"id at {unix_nanoseconds}"


def _seen(service: Service) -> Any:
    (one,) = service.spans
    rows = [
        (
            strings(table.id),
            table.time.tolist(),
            str(table.scores),
            None if table.predicted is None else list_of(table.predicted),
            {name: str(list_of(column)) for name, column in table.features.items()},
        )
        for table in service.tables()
    ]
    attributes = sorted((one.attributes or {}).items())
    return one.name, repr(attributes), one.status.status_code, rows


def test_a_call_around_another_of_the_same_model_takes_the_general_way(service: Service) -> None:
    churn = service.model()
    score = churn.predict(_constant(0.5))
    score({"x": 1.0})
    with churn.prediction(features={"y": 2.0}):
        score({"x": 1.0})

    assert len(service.spans) == 2
    assert dict(service.spans[1].attributes or {})["ml.prediction.score"] == 0.5
