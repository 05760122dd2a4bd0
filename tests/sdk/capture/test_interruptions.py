"""A signal handler may raise at any point of ours, as a time limit does: the caller gets it, and later calls count.

Python runs a signal handler after a call of a C function and at the entry of a Python function. A profile function is
called at the same points, with the same frame, and may raise as well.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import driftline
import driftline.testing
import pytest
from driftline.capture.prediction import OPEN
from driftline.faults import FAULTS
from driftline.guarded_log import is_from_signal
from driftline.integration.recorder import Recorder
from driftline.tables.ids import id_text
from driftline_integrations.sklearn import uninstrument
from sklearn.linear_model import LogisticRegression


class TimeLimit(Exception):  # noqa: N818 - as Celery's SoftTimeLimitExceeded
    """What a time limit raises."""


MODEL = driftline.Model("m", task="binary")
ESTIMATOR = LogisticRegression().fit([[0.0], [1.0]], [0, 1])


@MODEL.predict(id="id")
def quick(row: dict[str, Any]) -> float:  # noqa: ARG001
    return 0.25


@MODEL.predict(id="id")
def asked(row: dict[str, Any]) -> float:  # noqa: ARG001
    return 0.25 if driftline.current() is not None else 0.0


@MODEL.predict(id="id")
def batch(rows: list[dict[str, Any]]) -> list[float]:
    return [0.25] * len(rows)


@MODEL.predict(id="id")
async def coroutine(row: dict[str, Any]) -> float:  # noqa: ARG001
    return 0.25


@MODEL.predict(id="id")
def iteration(row: dict[str, Any]) -> Iterator[float]:  # noqa: ARG001
    yield 0.25


def block(row: dict[str, Any]) -> None:
    with MODEL.prediction(features=row, id=row["id"]) as prediction:
        prediction.score = 0.25


def estimator(row: dict[str, Any]) -> None:
    with MODEL.prediction(id=row["id"]):
        ESTIMATOR.predict_proba([[row["x"]]])


def recorder(row: dict[str, Any]) -> None:
    prediction = RECORDER.open(row, id=row["id"])
    try:
        RECORDER.run(prediction, lambda: 0.25, lambda score: score)
    finally:
        prediction.closed = True


RECORDER = Recorder(MODEL, "Estimator.predict", id_field="id")
KINDS: dict[str, Callable[[dict[str, Any]], object]] = {
    "quick": quick,
    "asked": asked,
    "batch": lambda row: batch([row, row]),
    "coroutine": lambda row: asyncio.run(coroutine(row)),
    "iteration": lambda row: list(iteration(row)),
    "block": block,
    "estimator": estimator,
    "estimator alone": lambda row: ESTIMATOR.predict_proba([[row["x"]]]),
    "recorder": recorder,
}


def interrupted(call: Callable[[], object], at: int, error: type[BaseException]) -> tuple[bool, bool]:
    """Make a call, and raise an error at the n-th point in code of ours; return whether it was raised, and arrived."""
    points = 0

    def profile(frame: FrameType, event: str, _: object) -> None:
        nonlocal points
        ours = str(frame.f_globals.get("__name__")).startswith("driftline")
        if event in ("call", "c_return") and ours and frame.f_code.co_name != "<genexpr>":  # closed, it ignores errors
            points += 1
            if points == at:
                raise error

    sys.setprofile(profile)
    try:
        call()
    except error:
        return True, True
    finally:
        sys.setprofile(None)
    return points >= at, False


@pytest.fixture
def instrumented() -> Iterator[None]:
    MODEL.instrument(ESTIMATOR)
    yield
    uninstrument(ESTIMATOR)


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize("error", [TimeLimit, KeyboardInterrupt])
@pytest.mark.parametrize("kind", KINDS)
def test_an_interruption_arrives_and_later_calls_are_recorded(
    kind: str, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FAULTS, "raising", False)
    predict = KINDS[kind]
    with driftline.testing.capture(raising=False) as capture:
        predict({"id": "first", "x": 1.0})
        at = 0
        while True:
            at += 1
            raised, arrived = interrupted(lambda: predict({"id": "interrupted", "x": 1.0}), at, error)
            if not raised:
                break
            assert arrived, at
            assert driftline.current() is None, at
            quick({"id": f"after {at}", "x": 1.0})
            assert not OPEN.get(), at
    assert at > 10
    rows = {row.id for row in capture.predictions}
    assert [n for n in range(1, at) if f"after {n}" not in rows] == []
    assert [loss for loss in capture.lost if "fault" in loss.metric] == []


def handler(*_: object) -> None:
    raise TimeLimit


class Limit:
    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.expire()

    def expire(self) -> None:
        raise TimeLimit


@pytest.mark.skipif(not hasattr(signal, "raise_signal"), reason="no signals")
@pytest.mark.parametrize("limit", [handler, Limit(), Limit().__call__, lambda number, frame: handler(number, frame)])
def test_an_error_of_a_signal_handler_is_known_by_its_frame(limit: Any) -> None:
    before = signal.signal(signal.SIGTERM, limit)
    try:
        with pytest.raises(TimeLimit) as raised:
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert is_from_signal(raised.value)


def test_an_error_of_a_method_is_not_one_of_a_signal_handler() -> None:
    class Hostile:
        def __str__(self) -> str:
            raise TimeLimit

    with pytest.raises(TimeLimit) as raised:
        str(Hostile())
    assert not is_from_signal(raised.value)
    assert id_text(Hostile()) == ""


class LooksUpCaller(dict[str, Any]):
    """A row whose methods look up their caller, as for a warning that names its line, and raise."""

    def __iter__(self) -> Any:
        frame = sys._getframe(1)
        frames = (frame,)
        raise RuntimeError(frames)

    def keys(self) -> Any:
        frame = sys._getframe(1)
        raise RuntimeError(frame)

    def __getitem__(self, name: str) -> Any:
        frame = sys._getframe(1)
        raise KeyError(name, frame)

    __str__ = __repr__ = items = keys


def test_an_error_of_a_method_that_looks_up_its_caller_is_not_one_of_a_signal_handler() -> None:
    with pytest.raises(RuntimeError) as raised:
        iter(LooksUpCaller(x=1.0))
    assert not is_from_signal(raised.value)


@pytest.mark.parametrize("in_list", [True, False])
def test_a_row_that_looks_up_its_caller_does_not_prevent_the_call(in_list: bool) -> None:
    called = []

    @MODEL.predict(id="id")
    def predict(rows: Any) -> list[float]:
        called.append(rows)
        return [0.25]

    row = LooksUpCaller(x=1.0)
    with driftline.testing.capture(raising=False):
        assert predict([row] if in_list else row) == [0.25]
    assert len(called) == 1


@pytest.mark.parametrize("in_list", [True, False])
def test_a_time_limit_within_a_row_arrives(in_list: bool) -> None:
    class Slow(dict[str, Any]):
        def keys(self) -> Any:
            signal.raise_signal(signal.SIGTERM)
            return super().keys()

        def __iter__(self) -> Any:
            return iter(self.keys())

        def __str__(self) -> str:
            return str(self.keys())

    before = signal.signal(signal.SIGTERM, handler)
    try:
        with driftline.testing.capture(raising=False) as capture, pytest.raises(TimeLimit):
            batch([Slow(x=1.0)] if in_list else Slow(x=1.0))  # type: ignore[arg-type]
        assert (capture.predictions, capture.lost, capture.log) == ([], [], [])
    finally:
        signal.signal(signal.SIGTERM, before)
