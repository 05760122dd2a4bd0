"""The quick way and the general way say the same: a function's first call takes the one, its second the other."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
from collections.abc import Callable
from typing import Any

import driftline
import numpy as np
import pytest
from driftline.batch.conversion import list_of
from driftline.capture import call, prediction_span
from driftline.capture import fast_call as quick
from driftline.capture import fast_call as quick_async
from driftline.capture.call_plan import CallPlan
from driftline.export.pipeline import pipeline_of
from driftline.outputs import output, result_copy, row_result
from driftline.tables.column_codec import strings
from driftline.tables.task import Task
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace

from tests.support.service import NOW, Service
from tests.support.unwrap import unwrap

WIDE = {f"f{i}": float(i) for i in range(100)}


def _set_id(row: dict[str, Any]) -> float:
    prediction = unwrap(driftline.current())
    prediction.id = row["x"]
    return 0.75


def _set_score(row: dict[str, Any]) -> float:  # noqa: ARG001
    prediction = unwrap(driftline.current())
    prediction.score = 0.25
    return 0.75


def _fail(row: dict[str, Any]) -> float:
    raise LookupError(row["x"])


def _constant(value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda row: value  # noqa: ARG005


def _given_id(row: dict[str, Any], order: Any) -> float:  # noqa: ARG001
    return 0.75


CASES: dict[str, tuple[dict[str, Any], Callable[..., Any], dict[str, Any]]] = {
    "plain": ({"x": 1.5, "y": "a", "z": True}, _constant(0.75), {}),
    "id": ({"x": 1.5, "order": "A-1"}, _constant(0.75), {"id": "order"}),
    "an id that is none": ({"x": 1.5, "order": None}, _constant(0.75), {"id": "order"}),
    "id and no feature": ({"order": "A-1"}, _constant(0.75), {"id": "order"}),
    "id by a function": ({"x": 1.5}, _constant(0.75), {"id": lambda row: row["x"]}),
    "missing": ({"x": None, "y": "a"}, _constant(0.75), {}),
    "odd values": ({"x": 2**70, "y": "t" * 1000, "z": [1], "n": np.float32(1.5)}, _constant(0.25), {}),
    "whole numbers": ({"x": 3, "y": False, "least": -(2**63), "most": 2**63 - 1}, _constant(0.75), {}),
    "a whole number too far": ({"x": 2**63, "y": 1.5}, _constant(0.75), {}),
    "a whole number too low": ({"x": -(2**63) - 1, "y": 1.5}, _constant(0.75), {}),
    "empty": ({}, _constant(0.75), {}),
    "wide": (WIDE, _constant(0.75), {}),
    "features off the span": ({"x": 1.5}, _constant(0.75), {"span_features": False}),
    "nan": ({"x": 1.5}, _constant(math.nan), {}),
    "numpy score": ({"x": 1.5}, _constant(np.float64(0.75)), {}),
    "single score": ({"x": 1.5}, _constant(np.float32(0.75)), {}),
    "class": ({"x": 1.5}, _constant(1), {}),
    "bool": ({"x": 1.5}, _constant(True), {}),
    "numpy bool": ({"x": 1.5}, _constant(np.bool_(True)), {}),
    "text": ({"x": 1.5}, _constant(" b "), {}),
    "no text": ({"x": 1.5}, _constant(""), {}),
    "row of predict_proba": ({"x": 1.5}, _constant(np.array([[0.25, 0.75]])), {}),
    "flat row": ({"x": 1.5}, _constant(np.array([0.25, 0.75])), {}),
    "array of one": ({"x": 1.5}, _constant(np.array([0.75])), {}),
    "array of three": ({"x": 1.5}, _constant(np.array([0.75, 0.0, 0.25])), {}),
    "array of whole numbers": ({"x": 1.5}, _constant(np.array([1])), {}),
    "array of texts": ({"x": 1.5}, _constant(np.array(["b"])), {}),
    "huge number": ({"x": 1.5}, _constant(2**70), {}),
    "unread": ({"x": 1.5}, _constant({"a": 1}), {}),
    "id set inside": ({"x": 1.5}, _set_id, {}),
    "score set inside": ({"x": 1.5}, _set_score, {}),
    "raises": ({"x": 1.5}, _fail, {}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("asynchronous", [False, True], ids=["function", "coroutine"])
@pytest.mark.parametrize(
    ("task", "recording"), [("binary", True), ("binary", False), ("multiclass", True), ("regression", True)]
)
def test_all_ways_leave_the_same(
    monkeypatch: pytest.MonkeyPatch, case: str, asynchronous: bool, task: str, recording: bool
) -> None:
    row, function, options = CASES[case]
    classes = ("a", "b", "c") if task == "multiclass" else None
    general, fast = Service(), Service()
    ways: list[str] = []
    for home in (quick, quick_async):
        monkeypatch.setattr(home, "begin", _noting(ways, "general", call.begin))
        monkeypatch.setattr(home, "scored_attributes", _noting(ways, "scored", prediction_span.scored_attributes))
    numbered = _Numbered()
    monkeypatch.setattr(quick, "IDS", numbered)
    monkeypatch.setattr("driftline.capture.prediction.IDS", numbered)
    for service in (general, fast):
        score = service.model(task=task, classes=classes).predict(
            _coroutine(function) if asynchronous else function, **options
        )
        pipeline_of(service.channel).recording = recording
        if service is fast:
            _plan_of(score).note_result(0.5)
        with contextlib.suppress(LookupError):
            result = score(dict(row))
            if asynchronous:
                asyncio.run(result)

    assert ways[0] == "general"
    assert ways[1:] in (["scored"], [])
    assert _seen(general) == _seen(fast)


def _coroutine(function: Callable[..., Any]) -> Callable[..., Any]:
    async def predict(row: dict[str, Any]) -> Any:
        return function(row)

    return predict


def _plan_of(function: Any) -> CallPlan:
    cells = dict(zip(function.__code__.co_freevars, function.__closure__, strict=True))
    if "start" in cells:
        return _plan_of(cells["start"].cell_contents)
    plan: CallPlan = cells["plan"].cell_contents
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


def test_rows_of_names_in_turns_keep_their_own(service: Service) -> None:
    score = service.model().predict(_constant(0.5))
    for row in ({"x": 1.0}, {"y": 2.0}, {"x": 3.0, "y": 4.0}, {"y": 5.0, "x": 6.0}, {"y": 7.0}):
        score(row)

    features = [
        {
            key.rpartition(".")[2]: value
            for key, value in (one.attributes or {}).items()
            if key.startswith("driftline.feature")
        }
        for one in service.spans
    ]
    assert features == [{"x": 1.0}, {"y": 2.0}, {"x": 3.0, "y": 4.0}, {"x": 6.0, "y": 5.0}, {"y": 7.0}]


def test_arguments_by_name_take_the_quick_way(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    ways: list[str] = []
    monkeypatch.setattr(quick, "begin", _noting(ways, "general", call.begin))

    @service.model().predict(id="order")
    def score(row: dict[str, Any], *, order: str) -> float:  # noqa: ARG001
        return 0.5

    for order in ("A-1", "A-2"):
        assert score(row={"x": 1.0}, order=order) == 0.5

    assert ways == ["general"]
    assert strings(service.table().id) == ["A-1", "A-2"]


def test_who_asks_for_the_current_prediction_gets_one_and_the_same(service: Service) -> None:
    left: list[contextvars.Context] = []

    @service.model().predict
    def score(row: dict[str, Any]) -> float:
        prediction = unwrap(driftline.current())
        assert driftline.current() is prediction
        assert prediction.names == tuple(row)
        left.append(contextvars.copy_context())
        return 0.5

    @service.model().predict
    def other(row: dict[str, Any]) -> float:  # noqa: ARG001
        left.append(contextvars.copy_context())
        return 0.5

    for function in (score, score, other, other):
        function({"x": 1.0})

    assert driftline.current() is None
    assert [context.run(driftline.current) for context in left] == [None] * 4
    for context in left[:4]:  # such as that of a task which goes on: what it predicts is a prediction of its own
        context.run(other, {"x": 2.0})
    assert len(set(strings(service.table().id))) == 8


class _Late(trace.Tracer):
    """The tracer of a program that sets its provider later."""

    def __init__(self) -> None:
        self.real: trace.Tracer = trace.NoOpTracer()
        self.asked = 0

    def start_span(self, *args: Any, **kwargs: Any) -> trace.Span:
        self.asked += 1
        return self.real.start_span(*args, **kwargs)

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class _LateProvider(trace.TracerProvider):
    def __init__(self) -> None:
        self.tracer = _Late()

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:  # noqa: ARG002
        return self.tracer


def test_a_provider_that_is_set_later_is_noticed_within_a_millisecond(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, nanoseconds = _LateProvider(), [NOW]
    monkeypatch.setattr(call, "_now", lambda: nanoseconds[0])
    score = service.model(tracer_provider=provider).predict(_constant(0.5))
    for _ in range(10):
        score({"x": 1.0})
        nanoseconds[0] += 10_000

    assert provider.tracer.asked == 2  # the first call takes the general way
    provider.tracer.real = service.tracers.get_tracer("shop")
    nanoseconds[0] += quick.PATIENCE
    score({"x": 1.0})
    nanoseconds[0] -= 3600 * 10**9  # the clock is set back
    score({"x": 1.0})

    assert len(service.spans) == 2
    assert len(service.table()) == 12


def test_a_row_without_a_tracer_is_whole(service: Service) -> None:
    @service.model(tracer_provider=trace.NoOpTracerProvider()).predict(id="order")
    def score(row: dict[str, Any]) -> float:  # noqa: ARG001
        prediction = unwrap(driftline.current())
        seen.append(prediction.id)
        return 0.75

    seen: list[str] = []
    for order in ("A-1", "A-2", "A-3"):
        score({"x": 1.5, "order": order})

    table = service.table()
    assert seen == strings(table.id) == ["A-1", "A-2", "A-3"]
    assert table.trace_id is None
    assert unwrap(table.scores).tolist() == [[0.75]] * 3
    assert list_of(table.features["x"]) == [1.5] * 3


TASKS = (
    Task("binary", ("0", "1"), "1"),
    Task("binary", ("yes", "no"), "yes"),
    Task("multiclass", ("a", "b", "c")),
    Task("regression"),
)
NUMBERS = st.one_of(st.floats(), st.integers(), st.booleans(), st.text(max_size=5))
DTYPES = st.sampled_from(["f8", "f4", "f2", "i8", "i4", "u1", "?", "U3", "O"])
SHAPES = st.sampled_from([(), (1,), (2,), (3,), (1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (0,)])


@st.composite
def _arrays(draw: st.DrawFn) -> Any:
    dtype, shape = draw(DTYPES), draw(SHAPES)
    values = draw(st.lists(st.integers(0, 100), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    return np.array(values).reshape(shape).astype(dtype)


@st.composite
def _scalars(draw: st.DrawFn) -> Any:
    dtype = np.dtype(draw(st.sampled_from(["f8", "f4", "f2", "i8", "i4", "i1", "u8", "?"])))
    return dtype.type(draw(st.integers(0, 100)))


@pytest.mark.slow
@given(st.sampled_from(TASKS), st.one_of(NUMBERS, _scalars(), _arrays()))
def test_what_is_read_at_once_is_what_is_read_from_anything(task: Task, result: Any) -> None:
    read = row_result.readers(task).get(type(result))
    answer = None if read is None else read(result)
    if answer is None:
        return

    score, decided, unread = output.output_of_row(
        task, output.read(task, result_copy.copy_result(result), 1, one_row=True)
    )

    assert unread is None
    assert repr(answer) == repr((score, decided))
