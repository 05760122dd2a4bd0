"""A generator that predicts is one prediction from its first step to its end, and behaves as it did."""

# ruff: noqa: ARG001, ARG005 - functions that predict the same whatever they are given

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import AsyncGeneratorType, GeneratorType
from typing import Any

import driftline
import numpy as np
import pytest
from driftline.capture import call, generators
from driftline.tables.column_codec import strings
from opentelemetry import context, trace

from tests.support.service import NOW, Service

ORDER = {"order_id": "A-1", "amount": 17.5}
SECOND = 1_000_000_000


def test_an_iteration_is_timed_from_its_first_step_to_its_end(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([0, 7])
    monkeypatch.setattr(call, "_clock", lambda: next(seconds) * SECOND)

    @service.model().predict(id="order_id")
    def score(order: dict[str, Any]) -> Iterator[float]:
        yield 0.75

    scores = score(ORDER)
    assert service.flush()
    assert service.spans == []
    assert next(scores) == 0.75
    assert service.spans == []
    assert list(scores) == []

    (span,) = service.spans
    assert (span.start_time, span.end_time) == (NOW, NOW + 7 * SECOND)
    assert service.attributes()["ml.prediction.score"] == 0.75
    assert service.attributes()["driftline.feature.value.amount"] == 17.5
    assert strings(service.table().id) == ["A-1"]


def _yields(*values: Any, returned: Any = None) -> Any:
    def score(X: Any) -> Generator[Any, None, Any]:
        yield from values
        return returned

    return score


@pytest.mark.parametrize(
    ("function", "X", "scores"),
    [
        (_yields("a", "b", returned=0.25), ORDER, [[0.25]]),
        (_yields(0.75), ORDER, [[0.75]]),
        (_yields(0.25, 0.75), [ORDER, ORDER], [[0.25], [0.75]]),
        (_yields(0.25, 0.5, 0.75), ORDER, None),
        (_yields(), ORDER, None),
        (_yields({"score": 0.75}), ORDER, None),
        (_yields(np.array([0.25, 0.75])), np.zeros((2, 2)), [[0.25], [0.75]]),
    ],
    ids=["returned", "the only one", "one per row", "too many", "none", "a dict", "an array"],
)
def test_the_result_is_what_is_returned_else_what_is_yielded(
    service: Service, function: Any, X: Any, scores: Any
) -> None:
    score = service.model().predict(function)

    list(score(X))

    table = service.table()
    assert (None if table.scores is None else table.scores.tolist()) == scores
    if not isinstance(X, dict):
        return
    assert service.attributes().get("driftline.prediction.unread", False) is (scores is None)


def test_selectors_read_the_only_value_and_each_of_many(service: Service) -> None:
    churn = service.model()
    one = churn.predict(_yields({"p": 0.25}), score="p")
    many = churn.predict(_yields({"p": 0.5}, {"p": 0.75}), score="p")

    list(one(ORDER))
    list(many([ORDER, ORDER]))

    scores = [table.scores.tolist() for table in service.tables() if table.scores is not None]
    assert scores == [[[0.25], [0.5], [0.75]]]


def test_an_iteration_of_more_than_is_kept_is_unread_and_holds_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generators, "MOST_BYTES", 100)
    score = service.model().predict(_yields("token", "token", "token"))

    assert "".join(score(ORDER)) == "tokentokentoken"

    assert service.attributes()["driftline.prediction.unread"] is True


def test_what_is_set_inside_wins(service: Service) -> None:
    @service.model().predict
    def stream(order: dict[str, Any]) -> Iterator[str]:
        yield "0."
        prediction = driftline.current()
        assert prediction is not None
        prediction.score = 0.75
        yield "75"

    assert "".join(stream(ORDER)) == "0.75"

    assert service.attributes()["ml.prediction.score"] == 0.75
    assert "driftline.prediction.unread" not in service.attributes()


def test_the_row_is_recorded_as_the_generator_was_started(service: Service) -> None:
    @service.model().predict
    def score(order: dict[str, Any]) -> Iterator[float]:
        order["amount"] = -1.0
        yield 0.25

    list(score(dict(ORDER)))

    assert service.attributes()["driftline.feature.value.amount"] == 17.5


def test_the_prediction_is_current_within_each_step_and_never_between(service: Service) -> None:
    tracer = service.tracers.get_tracer("shop")

    @service.model().predict(id="order_id")
    def score(order: dict[str, Any]) -> Iterator[str]:
        for step in ("one", "two"):
            with tracer.start_as_current_span(step):
                prediction = driftline.current()
                assert prediction is not None
                yield prediction.id

    with tracer.start_as_current_span("request") as request:
        scores = score(ORDER)
        for seen in scores:
            assert seen == "A-1"
            assert driftline.current() is None
            assert trace.get_current_span() is request

    parents = {span.name: span.parent.span_id if span.parent else None for span in service.spans}
    ids = {span.name: span.context.span_id for span in service.spans if span.context}
    assert parents == {
        "one": ids["predict churn"],
        "two": ids["predict churn"],
        "predict churn": ids["request"],
        "request": None,
    }


def test_a_span_of_the_generators_own_is_current_again_in_its_next_step(service: Service) -> None:
    tracer = service.tracers.get_tracer("shop")

    @service.model().predict
    def score(order: dict[str, Any]) -> Iterator[float]:
        with tracer.start_as_current_span("own") as own:
            yield 0.25
            assert trace.get_current_span() is own
        assert getattr(trace.get_current_span(), "name", "") == "predict churn"
        yield 0.5

    before = context.get_current()
    for _ in score(ORDER):
        assert context.get_current() is before


def test_two_iterations_in_turns_do_not_meet(service: Service) -> None:
    @service.model().predict(id="order_id")
    def score(order: dict[str, Any]) -> Iterator[str]:
        for _ in range(3):
            prediction = driftline.current()
            assert prediction is not None
            yield prediction.id

    pairs = list(zip(score({"order_id": "a"}), score({"order_id": "b"}), strict=True))

    assert pairs == [("a", "b")] * 3
    assert sorted(strings(service.table().id)) == ["a", "b"]


def test_each_step_may_run_in_another_thread_and_context(service: Service) -> None:
    tracer = service.tracers.get_tracer("shop")
    threads = set()

    @service.model().predict(id="order_id")
    def score(order: dict[str, Any]) -> Iterator[str]:
        for _ in range(4):
            threads.add(threading.get_ident())
            with tracer.start_as_current_span("inside"):
                prediction = driftline.current()
                assert prediction is not None
            yield prediction.id

    scores = score(ORDER)
    ids = []
    for _ in range(4):
        with ThreadPoolExecutor(1) as pool:
            ids.append(pool.submit(contextvars.copy_context().run, next, scores).result())
    assert list(scores) == []

    assert ids == ["A-1"] * 4
    assert len(threads) >= 1
    assert threading.get_ident() not in threads
    *inside, prediction = service.spans
    assert prediction.context is not None
    assert {span.parent.span_id for span in inside if span.parent} == {prediction.context.span_id}
    assert len(inside) == 4


def _echo(order: dict[str, Any]) -> Generator[Any, Any, str]:
    given = yield "ready"
    while given != "stop":
        try:
            given = yield given
        except KeyError as error:
            given = f"caught {error.args[0]}"
    return "done"


def test_send_throw_and_return_reach_the_generator(service: Service) -> None:
    for echo in (_echo, service.model().predict(_echo)):
        talk: Any = echo(ORDER)
        assert type(talk) is GeneratorType
        assert next(talk) == "ready"
        assert talk.send("one") == "one"
        assert talk.throw(KeyError("two")) == "caught two"
        with pytest.raises(StopIteration) as end:
            talk.send("stop")
        assert end.value.value == "done"
        with pytest.raises(StopIteration):
            next(talk)

    assert service.counts() == {(("ml.prediction.class", "other"),): 1}


@pytest.mark.parametrize("error", [LookupError("no"), StopIteration("no"), KeyboardInterrupt()])
def test_what_is_thrown_in_or_raised_inside_is_the_outcome(service: Service, error: BaseException) -> None:
    score = service.model().predict(_yields(0.25, 0.5))
    plain = _yields(0.25, 0.5)

    outcomes = []
    for function in (plain, score):
        scores = function(ORDER)
        next(scores)
        with pytest.raises(BaseException) as caught:
            scores.throw(error)
        outcomes.append((type(caught.value), str(caught.value)))
        with pytest.raises(StopIteration):
            next(scores)

    assert outcomes[0] == outcomes[1]
    assert service.counts() == {(("error.type", outcomes[0][0].__name__),): 1}


@pytest.mark.slow
def test_an_iteration_that_is_given_up_is_no_error_and_its_blocks_end(service: Service) -> None:
    ended = []

    def score(order: dict[str, Any]) -> Iterator[float]:
        try:
            yield 0.75
            yield 0.25
        finally:
            ended.append(driftline.current())

    leaves: tuple[Callable[[Any], None], ...] = (lambda scores: scores.close(), lambda scores: None)
    for number, leave in enumerate(leaves, 1):
        scores: Any = service.model().predict(score)(ORDER)
        assert next(scores) == 0.75
        leave(scores)
        del scores
        gc.collect()
        assert len(service.spans) == number

    assert None not in ended
    assert len(ended) == 2
    assert {span.status.is_unset for span in service.spans} == {True}
    assert service.counts() == {(("ml.prediction.class", "1"),): 2}


def test_one_that_ignores_its_close_is_told_so(service: Service) -> None:
    def stubborn(order: dict[str, Any]) -> Iterator[float]:
        try:
            yield 0.75
        except GeneratorExit:
            yield 0.25

    for function in (stubborn, service.model().predict(stubborn)):
        scores: Any = function(ORDER)
        next(scores)
        with pytest.raises(RuntimeError, match="generator ignored GeneratorExit"):
            scores.close()
        scores.close()


def test_one_that_never_starts_predicts_nothing(service: Service) -> None:
    service.model().predict(_yields(0.25))(ORDER).close()

    assert service.tables() == []
    assert service.spans == []


def test_an_iteration_that_outlives_the_prediction_around_it_is_lost_on_it(service: Service) -> None:
    churn = service.model()
    inner = churn.predict(_yields(0.25, 0.5))
    kept = []

    @churn.predict
    def outer(order: dict[str, Any]) -> float:
        scores = inner(order)
        next(scores)
        kept.append(scores)
        return 0.75

    outer(ORDER)
    assert list(kept[0]) == [0.5]

    assert service.attributes()["ml.prediction.score"] == 0.75
    assert len(service.table()) == 1


def test_the_functions_still_say_what_they_are(service: Service) -> None:
    async def asynchronous(order: dict[str, Any]) -> AsyncIterator[float]:
        yield 0.25

    churn = service.model()
    assert inspect.isgeneratorfunction(churn.predict(_yields(0.25)))
    assert inspect.isasyncgenfunction(churn.predict(asynchronous))
    assert churn.predict(asynchronous).__name__ == "asynchronous"


def test_an_async_iteration_is_one_prediction(service: Service) -> None:
    tracer = service.tracers.get_tracer("shop")

    @service.model().predict(id="order_id")
    async def score(order: dict[str, Any]) -> AsyncIterator[float]:
        for value in (0.25, 0.75):
            await asyncio.sleep(0)
            prediction = driftline.current()
            assert prediction is not None
            assert prediction.id == order["order_id"]
            with tracer.start_as_current_span("inside"):
                yield value

    async def one(name: str) -> list[float]:
        values = []
        async for value in score({"order_id": name}):
            assert driftline.current() is None
            assert not trace.get_current_span().get_span_context().is_valid
            values.append(value)
        return values

    async def both() -> list[list[float]]:
        return list(await asyncio.gather(one("a"), one("b")))

    assert asyncio.run(both()) == [[0.25, 0.75]] * 2
    assert sorted(strings(service.table().id)) == ["a", "b"]
    predictions = {span.context.span_id for span in service.spans if span.name == "predict churn" and span.context}
    assert {span.parent.span_id for span in service.spans if span.parent} == predictions


def test_send_throw_and_close_reach_the_async_generator(service: Service) -> None:
    ended = []

    async def talk(order: dict[str, Any]) -> Any:
        given = yield "ready"
        try:
            given = yield given
        except KeyError:
            given = "caught"
        try:
            yield given
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    async def listen(function: Any) -> list[Any]:
        words: Any = function(ORDER)
        assert type(words) is AsyncGeneratorType
        heard = [await anext(words), await words.asend("one"), await words.athrow(KeyError())]
        await words.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(words)
        return heard

    for function in (talk, service.model().predict(talk)):
        assert asyncio.run(listen(function)) == ["ready", "one", "caught"]
    assert len(ended) == 2
    assert len(service.spans) == 1


@pytest.mark.parametrize("keep", [True, False], ids=["open at the end of the loop", "forgotten"])
def test_the_loop_closes_an_async_iteration_that_is_left(service: Service, keep: bool) -> None:
    ended: list[str] = []
    problems: list[Any] = []
    kept: list[Any] = []

    async def score(order: dict[str, Any]) -> AsyncIterator[float]:
        try:
            yield 0.75
            yield 0.25
        finally:
            ended.append("ends")
            for _ in range(3):
                await asyncio.sleep(0)
            ended.append("ended")

    async def leave(function: Any) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        scores = function(ORDER)
        await anext(scores)
        kept.extend([scores] if keep else [])
        del scores
        for _ in range(10):
            await asyncio.sleep(0)

    for function in (score, service.model().predict(score)):
        asyncio.run(leave(function))

    assert ended == ["ends", "ended"] * 2
    assert problems == []
    assert service.counts() == {(("ml.prediction.class", "1"),): 1}


def test_a_step_that_is_cancelled_is_counted_as_such(service: Service) -> None:
    @service.model().predict
    async def score(order: dict[str, Any]) -> AsyncIterator[float]:
        yield 0.75
        await asyncio.sleep(3600)

    async def cancel() -> None:
        scores = score(ORDER)
        await anext(scores)
        task = asyncio.ensure_future(anext(scores))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())

    assert service.counts() == {(("error.type", "asyncio.exceptions.CancelledError"),): 1}


def test_a_streaming_response_is_one_prediction_under_its_request(service: Service) -> None:
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse
    from starlette.testclient import TestClient

    churn = service.model()
    app = FastAPI()

    @churn.predict(id="order_id")
    def tokens(order: dict[str, Any]) -> Iterator[str]:
        for token in ("0", ".", "7"):
            prediction = driftline.current()
            assert prediction is not None
            prediction.score = 0.7
            yield token

    @churn.predict(id="order_id")
    async def async_tokens(order: dict[str, Any]) -> AsyncIterator[str]:
        for token in tokens(order):
            await asyncio.sleep(0)
            yield token

    @app.get("/{kind}")
    def stream(kind: str) -> StreamingResponse:
        order = {"order_id": kind}
        return StreamingResponse(tokens(order) if kind == "sync" else async_tokens(order))

    with TestClient(app) as client:
        assert [client.get(f"/{kind}").text for kind in ("sync", "async")] == ["0.7", "0.7"]

    table = service.table()
    assert strings(table.id) == ["sync", "async"]
    assert table.scores is not None
    assert table.scores.tolist() == [[0.7], [0.7]]
