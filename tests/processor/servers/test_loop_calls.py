"""Answers of other threads come into the loop, each once, and wake it once for all."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

import pytest
from driftline_processor.servers.loop_calls import LoopCalls


def test_calls_of_other_threads_wake_a_loop_once() -> None:
    woken, called = list[object](), list[int]()

    class Loop:
        def call_soon_threadsafe(self, run: object) -> None:
            woken.append(run)

    calls = LoopCalls(Loop())  # type: ignore[arg-type]
    for one in range(3):
        calls.leave(lambda one=one: called.append(one))  # type: ignore[misc]
    assert len(woken) == 1
    woken[0]()  # type: ignore[operator]
    assert called == [0, 1, 2]
    calls.leave(lambda: called.append(3))
    assert len(woken) == 2


def test_a_call_that_fails_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    called = list[int]()

    async def both() -> None:
        calls = LoopCalls(asyncio.get_running_loop())
        calls.leave(lambda: [].pop())
        calls.leave(lambda: called.append(1))
        await asyncio.sleep(0.01)

    asyncio.run(both())
    assert called == [1]
    assert [record.getMessage() for record in caplog.records] == ["a response could not be sent"]


def test_what_another_thread_makes_is_awaited_for_a_while() -> None:
    async def wait_for(future: Future[int], seconds: float) -> int:
        calls = LoopCalls(loop := asyncio.get_running_loop())
        if not future.done():
            loop.call_later(0.01, future.set_result, 7)
        return await calls.result(future, seconds)

    there: Future[int] = Future()
    there.set_result(5)
    failed: Future[int] = Future()
    failed.set_exception(ValueError("no"))
    assert asyncio.run(wait_for(there, 60)) == 5
    assert asyncio.run(wait_for(Future(), 60)) == 7
    with pytest.raises(ValueError, match="no"):
        asyncio.run(wait_for(failed, 60))
    with pytest.raises(TimeoutError):
        asyncio.run(wait_for(Future(), 0))
