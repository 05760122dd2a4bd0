"""Log lines that the documentation promises: seen once, with a cause and a fix that fit the caller."""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial, update_wrapper
from typing import Any

import driftline
import driftline.testing
import numpy as np
import pandas as pd
import pytest
from driftline.faults import FAULTS
from driftline.integration.recorder import Recorder
from driftline.outputs.output import UnreadResult
from driftline.testing import Capture

SERVICE = """
import logging, sys
import driftline
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
{setup}

@driftline.Model("churn", task="binary").predict
def score(order: dict) -> float:
    return 0.25

for _ in range(3):
    score({{"amount": 17.5}})
driftline.flush(0.1)
"""
LINE = "driftline: churn.score: recorded a dict with keys ['amount'] as one row, a float as the score of class '1'"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setup", "times"),
    [
        ("", 1),
        ("logging.basicConfig()", 1),
        ("logging.basicConfig(level='WARNING', format='%(levelname)s %(message)s')", 1),
        ("logging.basicConfig(level='INFO')", 1),
        ("driftline.configure(endpoint='http://127.0.0.1:9')", 1),
        ("logging.getLogger('driftline').setLevel('WARNING')", 0),
        ("logging.disable(logging.INFO)", 0),
        ("logging.getLogger('driftline').disabled = True", 0),
        ("logging.lastResort = None", 0),
    ],
    ids=["no logging", "basicConfig", "WARNING", "INFO", "configure", "own level", "disable", "disabled", "silent"],
)
def test_the_first_call_is_described_once_in_a_service_with_its_own_opentelemetry(setup: str, times: int) -> None:
    environment = {**os.environ, "DRIFTLINE_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"}
    program = [sys.executable, "-c", SERVICE.format(setup=setup)]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.count(LINE) == times
    assert "WARNING driftline: churn.score: recorded" not in done.stderr
    assert done.stdout == ""


def lines(capture: Capture) -> list[str]:
    return [line.removeprefix("driftline: ") for line in capture.log]


def test_scalars_are_described_as_what_was_recorded() -> None:
    with driftline.testing.capture() as capture:

        @driftline.Model("m", task="regression").predict
        def price(rooms: int, area: float) -> float:
            return rooms * area

        price(2, 40.0)
    (line,) = (line for line in lines(capture) if "price: recorded" in line)
    assert line.endswith("price: recorded the arguments ['rooms', 'area'] as one row, a float as the value")


@pytest.mark.parametrize(
    ("argument", "values", "line"),
    [
        ("id", [str(i) for i in range(9)], "9 ids were passed for 10 rows, so ids are generated instead"),
        ("time", [1.8e9] * 9, "9 times were passed for 10 rows, so the time of the call is used instead"),
        ("slices", ["a"] * 9, "9 values of the slice 'given' were passed for 10 rows, so these rows are not in its"),
    ],
)
def test_a_wrong_number_of_values_is_not_an_internal_error(argument: str, values: list[Any], line: str) -> None:
    selectors: dict[str, Any] = {argument: "given"}
    with driftline.testing.capture() as capture:

        @driftline.Model("m", task="binary").predict(**selectors)
        def score(frame: pd.DataFrame, given: list[Any]) -> Any:  # noqa: ARG001
            return np.full(len(frame), 0.25)

        for _ in range(2):
            score(pd.DataFrame({"x": np.arange(10.0)}), values)
    assert len(capture.predictions) == 20
    (found,) = (text for text in lines(capture) if line in text)
    assert found.startswith("m.")
    assert found.endswith("; pass one per row")


@pytest.mark.parametrize("argument", ["features", "id", "score", "time", "slices"])
def test_an_error_of_a_selector_is_attributed_to_its_line(argument: str) -> None:
    def selector(*_: Any) -> Any:
        raise KeyError("customer")

    selectors: dict[str, Any] = {argument: selector}
    with driftline.testing.capture(raising=False) as capture:

        @driftline.Model("m", task="binary").predict(**selectors)
        def score(order: dict[str, float]) -> float:
            return order["x"]

        assert [score({"x": 0.25}) for _ in range(2)] == [0.25, 0.25]
    assert not any("internal error" in line for line in lines(capture))
    (line,) = (line for line in lines(capture) if "was raised" in line)
    assert line.startswith(f"KeyError was raised at {__name__}:")


def method_decorator(decorator: Callable[..., Any], method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a method at each call, as ``django.utils.decorators.method_decorator`` does."""

    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = update_wrapper(partial(method.__get__(self, type(self))), method)
        return decorator(bound)(*args, **kwargs)

    return update_wrapper(wrapper, method)


@pytest.mark.parametrize(
    "selectors",
    [
        {"features": json.loads, "id": "id", "score": "p"},
        {"features": lambda request: json.loads(request), "id": "id", "score": "p"},
        {
            "features": lambda request: json.loads(request),
            "id": lambda request: json.loads(request)["id"],
            "score": "p",
        },
    ],
    ids=["builtin", "function", "functions"],
)
def test_djangos_method_decorator_passes_the_request(selectors: dict[str, Any]) -> None:
    class View:
        def post(self, request: str) -> dict[str, float]:  # noqa: ARG002
            return {"p": 0.75}

    with driftline.testing.capture() as capture:
        churn = driftline.Model("m", task="binary")
        View.post = method_decorator(churn.predict(**selectors), View.post)  # type: ignore[method-assign]
        for number in range(3):
            View().post(f'{{"id": "v{number}", "x": 1}}')
    found = [(prediction.id, prediction.score) for prediction in capture.predictions]
    assert found == [("v0", 0.75), ("v1", 0.75), ("v2", 0.75)]
    assert all(prediction.features["x"] == 1 for prediction in capture.predictions)
    assert sum("post: recorded" in line for line in lines(capture)) == 1


def test_a_recorder_is_never_advised_to_decorate() -> None:
    with driftline.testing.capture() as capture:
        recorder = Recorder(driftline.Model("m", task="binary"), "Estimator.predict")
        recorder.close(recorder.open(np.zeros((2, 2), complex)), {"label": "1", "probability": 0.25})
    found = "\n".join(lines(capture))
    assert "@m.predict" not in found
    assert "with m.prediction(features={...}) as p: ..." in found
    assert "with m.prediction(features=...) as p: p.score = ..." in found


def test_both_ends_of_a_block_may_run_in_contexts_of_their_own(caplog: pytest.LogCaptureFixture) -> None:
    import contextvars

    with driftline.testing.capture() as capture:
        churn = driftline.Model("m", task="binary")
        manager = churn.prediction(features={"x": 1.0}, id="A-1")
        prediction = contextvars.copy_context().run(manager.__enter__)
        prediction.score = 0.25
        contextvars.copy_context().run(manager.__exit__, None, None, None)
        assert driftline.current() is None
    assert [(p.id, p.score) for p in capture.predictions] == [("A-1", 0.25)]
    assert FAULTS.drain() == {}
    assert "Failed to detach" not in caplog.text


def first_line(*calls: Callable[[driftline.Model], object]) -> list[str]:
    """Return the lines of calls between two flushes."""
    with driftline.testing.capture(raising=False) as capture:
        model = driftline.Model("m", task="binary")
        for call in calls:
            call(model)
    return capture.log


def test_the_line_of_the_first_call_describes_one_call() -> None:
    @driftline.Model("m", task="binary").predict
    def predict(rows: Any) -> Any:
        return 0.25 if rows.ndim == 1 else np.full((len(rows), 2), 0.5)

    lines = first_line(lambda _: predict(np.array([1.0, 2.0])), lambda _: predict(np.zeros((3, 2))))
    assert [line.partition("recorded ")[2] for line in lines] == [
        "an array of float64 with shape (2,) as one row, a float as the score of class '1' (threshold 0.5)"
    ]


def test_a_block_describes_the_features_of_the_prediction_inside() -> None:
    def block(model: driftline.Model) -> None:
        score: Any = model.predict(lambda order: 0.25)  # noqa: ARG005
        with model.prediction(id="A-1"):
            score({"amount": 17.5})

    (line,) = first_line(block)
    assert "recorded a dict with keys ['amount'] as one row" in line


@pytest.mark.parametrize("kind", ["sync", "async", "block", "cancelled"])
def test_calls_that_only_fail_have_no_line_about_their_result(kind: str) -> None:
    def sync(order: dict[str, Any]) -> float:
        raise ZeroDivisionError(order)

    async def coroutine(order: dict[str, Any]) -> float:
        raise asyncio.CancelledError if kind == "cancelled" else ZeroDivisionError(order)

    def call(model: driftline.Model) -> None:
        with suppress(ZeroDivisionError, asyncio.CancelledError):
            if kind == "sync":
                model.predict(sync)({"amount": 17.5})
            elif kind == "block":
                with model.prediction(features={"amount": 17.5}) as prediction:
                    prediction.score = 0.25
                    raise ZeroDivisionError
            else:
                asyncio.run(model.predict(coroutine)({"amount": 17.5}))

    assert first_line(call) == []


def test_a_result_that_is_described_already_keeps_its_description() -> None:
    recorder = Recorder(driftline.Model("m", task="binary"), "POST /score")
    lines = first_line(lambda _: recorder.close(recorder.open({"x": 1.0}), UnreadResult("a response without a body")))
    assert not [line for line in lines if "UnreadResult" in line]
    assert [line for line in lines if "a response without a body" in line]


@pytest.mark.parametrize("package", ["celery.app.task", "dramatiq.actor", "huey.api", "shop.tasks"])
def test_a_decorator_above_that_of_a_task_has_a_line_with_the_order(package: str) -> None:
    class Task:
        def __call__(self, order: dict[str, Any]) -> float:  # noqa: ARG002
            return 0.25

    Task.__module__ = package
    lines = first_line(lambda model: model.predict(Task()))
    expected = [
        f"driftline: m.predict is above the decorator that makes a task of {package.partition('.')[0]}, so calls of "
        "workers are not recorded; put @m.predict below it, directly above the function"
    ]
    assert lines == ([] if package == "shop.tasks" else expected)


def test_the_documented_way_through_a_thread_pool_is_one_prediction() -> None:
    model = driftline.Model("m", task="binary")
    one = model.predict(lambda row: 0.25, id="id")  # noqa: ARG005

    @model.predict(id="id")
    def many(rows: list[dict[str, Any]]) -> list[float]:
        with ThreadPoolExecutor(2) as executor:
            futures = [executor.submit(contextvars.copy_context().run, one, row) for row in rows]
            return [future.result() for future in futures]

    with driftline.testing.capture() as capture:
        many([{"id": "a", "x": 1.0}, {"id": "b", "x": 2.0}])
    assert [row.id for row in capture.predictions] == ["a", "b"]
