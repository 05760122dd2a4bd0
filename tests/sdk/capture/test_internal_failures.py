"""Each function of Driftline that a call or a flush runs is made to fail in turn; nobody's program notices.

What runs is not written down here: a profiler looks, for every kind of call. Then the same calls are made once for
each function seen, which raises whenever it is called. Only what says "Never raises" in its docstring, and what is the
user's own frame (the wrappers, and what integrations call), is taken at its word, because all that it calls is not.
"""

# ruff: noqa: ARG001 - functions that predict the same whatever they are given

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import copy_context
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import driftline
import numpy as np
import pandas as pd
import pytest
from driftline.export import threads
from driftline.export.lifecycle import flush_pipeline
from driftline.export.pipeline import pipeline_of
from driftline.faults import FAULTS, Faults
from driftline.integration.recorder import Recorder
from opentelemetry import trace

from tests.support.service import Service, returns
from tests.support.web_places import Place, predict

HOME = str(Path(driftline.__file__).parent)
CLOCK = str(Path(HOME) / "testing")
"""What stops the clock of these tests is in no program."""
ORDER = {"id": "A-1", "amount": 17.5, "country": "NO"}


REFUSED = {
    *("timestamps.instant", "timestamps._nanoseconds", "threads.start_thread"),
    *(f"guarded_log.GuardedLogger.{name}" for name in ("note", "warning", "_log", "write", "_start")),
}
"""What fails there is what the program passed, or the system: a sentence says so, and it is not an error of ours.

An error of the way to log is not counted, since what counts errors also logs them.
"""


class BrokenError(RuntimeError):
    """What the broken function raises."""


Story = Callable[[Service], Callable[[], Any]]
"""Decorates; what it returns calls, and gives what the calls gave."""


def _single(service: Service) -> Callable[[], Any]:
    score = service.model().predict(returns(0.25), id="id")
    return lambda: [score(ORDER) for _ in range(3)]


def _results(service: Service) -> Callable[[], Any]:
    row = np.array([[0.25, 0.75]])
    scores = [service.model().predict(returns(value)) for value in (True, "1", row)]
    return lambda: [score(ORDER) for score in scores for _ in range(2)]


def _any(service: Service) -> Callable[[], Any]:
    answer = {"score": 0.25, "label": 1}
    churn = service.model()
    unread = churn.predict(returns(answer))
    selected = churn.predict(
        _selected, features="order", score="score", predicted="label", time="when", slices="region"
    )
    scalars = churn.predict(_scalars)
    return lambda: [unread(ORDER), selected(ORDER, "2026-11-20T08:00:00Z", "north"), scalars(1, 2.5)]


def _selected(order: Any, when: str, region: str) -> dict[str, Any]:
    return {"score": 0.25, "label": 1}


def _scalars(rooms: int, area: float) -> float:
    return 0.25


def _batch(service: Service) -> Callable[[], Any]:
    churn = service.model()
    X, frame, rows = np.ones((3, 2)), pd.DataFrame({"x": [1.0, 2.0], "y": ["a", None]}), [ORDER, ORDER]
    scores = np.array([0.25, 0.5, 0.75])
    array = churn.predict(returns(scores))
    table = churn.predict(returns(pd.Series(scores[:2])))
    dicts = churn.predict(returns([0, 1]), id="id", slices="country")
    return lambda: [array(X) is scores, len(table(frame)), dicts(rows)]


def _failing(service: Service) -> Callable[[], Any]:
    raised: list[Exception] = []

    def fail(order: Any) -> float:
        raised.append(LookupError("no such customer"))
        raise raised[-1]

    score = service.model().predict(fail)

    def call() -> Any:
        errors = []
        for given in (ORDER, ORDER, np.ones((2, 2))):
            with pytest.raises(LookupError) as caught:
                score(given)
            errors.append(caught.value is raised[-1] and caught.value.__context__ is None)
        return errors

    return call


def _coroutine(service: Service) -> Callable[[], Any]:
    @service.model().predict(id="id")
    async def score(order: dict[str, Any]) -> float:
        await asyncio.sleep(0)
        return 0.25

    async def several() -> Any:
        return [*await asyncio.gather(score(ORDER), score(ORDER)), await score(ORDER)]

    return lambda: asyncio.run(several())


def _generator(service: Service) -> Callable[[], Any]:
    @service.model().predict(id="id")
    def score(order: dict[str, Any]) -> Iterator[float]:
        yield 0.25
        yield 0.5

    def call() -> Any:
        left = score(ORDER)
        return [list(score(ORDER)), next(left), left.close()]  # type: ignore[attr-defined]

    return call


def _async_generator(service: Service) -> Callable[[], Any]:
    @service.model().predict(id="id")
    async def score(order: dict[str, Any]) -> AsyncIterator[float]:
        yield 0.25
        await asyncio.sleep(0)
        yield 0.5

    async def all_of() -> Any:
        return [value async for value in score(ORDER)]

    return lambda: asyncio.run(all_of())


def _block(service: Service) -> Callable[[], Any]:
    churn = service.model()

    def call() -> Any:
        with churn.prediction(features=ORDER, id="A-1", slices={"region": "north"}) as p:
            p.score = 0.25
            p.predicted = 1
        error = LookupError("no such customer")
        with pytest.raises(LookupError) as caught, churn.prediction(features=ORDER):
            raise error
        return caught.value is error

    return call


def _nested(service: Service) -> Callable[[], Any]:
    churn, spend = service.model(), service.model("spend", task="regression")
    inner = churn.predict(returns(0.25), id="id")
    other = spend.predict(returns(120))

    @churn.predict
    def outer(request: dict[str, Any]) -> dict[str, float]:
        return {"answer": inner(ORDER), "spend": other(ORDER)}

    return lambda: [outer({"x": 1}), outer({"x": 1})]


def _current(service: Service) -> Callable[[], Any]:
    @service.model().predict
    def score(order: dict[str, Any]) -> float:
        prediction = driftline.current()
        if prediction is not None:
            prediction.id = "A-1"
            assert isinstance(prediction.id, str)
            prediction.score = 0.5
        return 0.25

    return lambda: [score(ORDER) for _ in range(3)]


def _stage(service: Service) -> Callable[[], Any]:
    def score(order: dict[str, Any]) -> float:
        open_prediction = driftline.current()
        if open_prediction is None:  # the function that opens it is the broken one
            return 0.25
        with open_prediction.stage("features"), open_prediction.stage("cache"):
            return 0.25

    decorated = service.model().predict(score, id="id")
    return lambda: [decorated(ORDER) for _ in range(2)]


def _recorder(service: Service) -> Callable[[], Any]:
    recorder = Recorder(service.model(), "POST /score")

    def call() -> Any:
        prediction = recorder.open(ORDER, id="A-1")
        recorder.add(prediction, features=ORDER, id="A-2", slices={"region": "north"})
        recorder.close(prediction, 0.25)
        prediction = recorder.open()
        recorder.close(prediction, error=LookupError("no such customer"))
        recorder.abandon(recorder.open(), "422")
        return True

    return call


def _request(service: Service) -> Callable[[], Any]:
    place = Place(service.model())

    def call() -> Any:
        return [predict(place, request, response).closed for request, response in ((ORDER, 0.25), ([ORDER], [0.25]))]

    return call


def _outcome(service: Service) -> Callable[[], Any]:
    churn = service.model()

    def call() -> Any:
        churn.outcome("A-1", actual=1, time="2026-11-20T08:00:00Z")
        return True

    return call


STORIES: dict[str, Story] = {
    story.__name__.lstrip("_"): story
    for story in (
        _single, _results, _any, _batch, _failing, _coroutine, _generator, _async_generator, _block, _nested, _current,
        _stage, _recorder, _request, _outcome,
    )
}  # fmt: skip


class Metered(Service):
    """A service whose distributions are sent, too."""

    def model(self, name: str = "churn", task: str = "binary", **options: Any) -> driftline.Model:
        return super().model(name, task, metrics_channel=self.metrics, **options)


def _ours(caller: FrameType | None) -> bool:
    """Say whether a function was called by one of ours: the frame that the program itself calls is its own."""
    return caller is not None and caller.f_code.co_filename.startswith(HOME)


def _taken_at_its_word(code: CodeType) -> bool:
    documentation = code.co_consts[0] if code.co_consts else None
    return isinstance(documentation, str) and "Never raises" in documentation


def _sdk(path: str) -> bool:
    return path.startswith(HOME) and not path.startswith(CLOCK)


def _seen(run: Callable[[], Any]) -> list[CodeType]:
    """Return what of Driftline runs, in order of the first call."""
    seen: dict[CodeType, None] = {}

    def look(frame: FrameType, event: str, arg: Any) -> None:
        if event == "call" and _sdk(frame.f_code.co_filename) and _ours(frame.f_back):
            seen.setdefault(frame.f_code)

    sys.setprofile(look)
    try:
        run()
    finally:
        sys.setprofile(None)
    return list(seen)


def _breaking(code: CodeType, monkeypatch: pytest.MonkeyPatch, run: Callable[[], Any]) -> tuple[Any, bool]:
    """Run with one function broken; return what the run gave, and whether each time that it broke was swallowed."""
    broke = swallowed = 0

    def look(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal broke
        if event == "call" and frame.f_code is code and _ours(frame.f_back):
            broke += 1
            raise BrokenError

    def swallow(self: Faults, step: str, error: BaseException) -> None:
        nonlocal swallowed
        swallowed += isinstance(error, BrokenError)
        assert isinstance(error, Exception)
        original(self, step, error)
        sys.setprofile(look)  # what raises in a profiler ends it

    original = Faults.swallow
    with monkeypatch.context() as patched:
        patched.setattr(Faults, "swallow", swallow)
        patched.setattr(FAULTS, "raising", False)
        patched.setattr(FAULTS, "let_signals_pass", lambda _: None)  # what a profiler raises looks like a handler's
        sys.setprofile(look)
        try:
            return copy_context().run(run), broke == swallowed  # a context may stay attached
        finally:
            sys.setprofile(None)


def _twice(service: Service, run: Callable[[], Any]) -> tuple[Any, Any]:
    given = run(), run()
    flush_pipeline(pipeline_of(service.channel), 1.0, states=())
    return given


UNTRACED = ("single", "failing", "current", "coroutine", "request")
"""Where the program has no tracer provider, these take another way."""
CASES = [*((story, True) for story in STORIES), *((story, False) for story in UNTRACED)]


@pytest.mark.slow
@pytest.mark.parametrize(("story", "traced"), CASES, ids=[f"{'' if on else 'untraced '}{name}" for name, on in CASES])
def test_whatever_breaks_inside_the_program_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, story: str, traced: bool
) -> None:
    caplog.set_level(logging.CRITICAL)
    # A profiler sees one thread.
    monkeypatch.setattr(threads, "call_within", lambda timeout, name, call, *_: call())  # noqa: ARG005

    def made() -> tuple[Service, Callable[[], Any]]:
        service = Metered()
        if not traced:
            service.tracers = trace.NoOpTracerProvider()  # type: ignore[assignment]
        return service, STORIES[story](service)

    service, run = made()
    expected = run()
    flush_pipeline(pipeline_of(service.channel), 1.0, states=())
    service, run = made()
    steps = [code for code in _seen(partial(_twice, service, run)) if not _taken_at_its_word(code)]
    hurt = []
    for code in steps:
        service, run = made()
        name = f"{Path(code.co_filename).stem}.{code.co_qualname}"
        try:
            given, swallowed = _breaking(code, monkeypatch, partial(_twice, service, run))
            if repr(given) != repr((expected, expected)):
                hurt.append(f"{name}: {given}")
            elif not swallowed and name not in REFUSED:
                hurt.append(f"{name}: not counted")
        except BaseException as error:
            hurt.append(f"{name}: {type(error).__name__} {error}")
        pipeline_of(service.channel).close()

    assert len(steps) > 10
    assert not hurt, "\n".join(hurt)
