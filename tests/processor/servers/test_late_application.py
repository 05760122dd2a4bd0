"""Requests that come while an application is loaded wait for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from driftline_processor.access.access import Access
from driftline_processor.health import Health
from driftline_processor.servers.late_application import LateApplication
from driftline_processor.web.probes import probes
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message

SCOPE: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": []}


async def answer_of(application: LateApplication, path: str = "/") -> int:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    await application({**SCOPE, "path": path}, receive, send)
    status: int = sent[0]["status"]
    return status


def test_probes_answer_before_the_application_is_loaded() -> None:
    health = Health()
    health.report("service", "the processor has not started")
    application = LateApplication(lambda: PlainTextResponse("here"), probes(health, Access.without_log_in()))

    assert asyncio.run(answer_of(application, "/healthz")) == 200
    assert asyncio.run(answer_of(application, "/readyz")) == 503
    health.clear("service")
    assert asyncio.run(answer_of(application, "/readyz")) == 200


def test_a_request_before_the_application_is_loaded_waits_for_it() -> None:
    async def story() -> None:
        application = LateApplication(lambda: PlainTextResponse("here"))
        early = [asyncio.create_task(answer_of(application)) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in early)

        early[0].cancel()  # a client that goes away takes nothing from the others
        await asyncio.to_thread(application.load)

        assert await asyncio.gather(*early[1:]) == [200, 200]
        assert await answer_of(application) == 200

    asyncio.run(story())


def test_what_kept_the_application_from_loading_ends_every_request() -> None:
    def broken() -> ASGIApp:
        raise ImportError("jinja2")

    async def story() -> None:
        application = LateApplication(broken)
        early = asyncio.create_task(answer_of(application))
        await asyncio.sleep(0)
        with pytest.raises(ImportError):
            application.load()
        with pytest.raises(ImportError):
            await early
        with pytest.raises(ImportError):
            await answer_of(application)

    asyncio.run(story())


def test_what_the_system_refuses_at_first_is_loaded_later() -> None:
    attempts: list[float] = []

    def make() -> ASGIApp:
        if len(attempts) < 2:
            raise OSError(24, "Too many open files")
        return PlainTextResponse("here")

    def is_over(seconds: float) -> bool:
        attempts.append(seconds)
        return False

    application = LateApplication(make)
    application.load(is_over)
    assert asyncio.run(answer_of(application)) == 200
    assert len(attempts) == 2

    attempts.clear()
    with pytest.raises(OSError, match="Too many"):
        LateApplication(make).load(lambda _: True)
