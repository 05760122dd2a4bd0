"""What a call does at and after the exit of its process, and what a forked child inherits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any, Never

import pytest
from driftline.export import counters, lifecycle, pipeline, threads
from driftline.tables.column_codec import strings

from tests.support.service import Service, returns

ROW = {"order_id": "A-1", "amount": 17.5}


def test_a_call_at_the_exit_is_settled_without_a_thread(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    score = service.model().predict(id="order_id")(returns(0.25))
    monkeypatch.setattr(lifecycle, "_exiting", True)
    lifecycle.settle_predictions()
    monkeypatch.setattr(threads, "start_thread", lambda *_: pytest.fail("a thread was started"))
    monkeypatch.setattr(service, "flush", lambda: None)  # counts are read without one
    score(ROW)
    assert sum(service.counts().values()) == 1
    score(ROW)
    assert sum(service.counts().values()) == 2


def test_a_thread_that_cannot_start_loses_no_row(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the exit of Python 3.12, and under a limit of processes."""

    def refuse(*_: object) -> Never:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    score = service.model().predict(id="order_id")(returns(0.25))
    monkeypatch.setattr(threads, "start_thread", refuse)
    assert score(ROW) == 0.25
    assert strings(service.table().id) == ["A-1"]


def test_calls_after_the_shutdown_are_named_in_one_line(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    score = service.model().predict(id="order_id")(returns(0.25))
    score(ROW)
    assert pipeline.pipeline_of(service.channel).shutdown(10.0)
    caplog.clear()
    score(ROW)
    score(ROW)
    assert [record.getMessage() for record in caplog.records] == [
        "driftline: predictions and outcomes after driftline.shutdown() or the end of the process are not recorded; "
        "if an atexit handler makes them, register it after 'import driftline'"
    ]


def test_a_disabled_sdk_logs_nothing_about_its_calls(caplog: pytest.LogCaptureFixture) -> None:
    assert pipeline.SILENT.append(pytest.fail, 1, 1) is False  # type: ignore[arg-type]
    assert caplog.records == []


def test_a_forked_child_does_not_send_the_sums_of_its_parent(reasons: Callable[[str], dict[str, int]]) -> None:
    counters.count_dropped(3, "refused")
    counters.forget_inherited()
    assert reasons("driftline.sdk.dropped.rows") == {}
    counters.count_dropped(2, "refused")
    assert reasons("driftline.sdk.dropped.rows") == {"refused": 2}


@pytest.mark.parametrize("timeout", [None, "soon", "2", float("nan"), -1])
def test_a_flush_with_any_timeout_returns_a_bool(timeout: Any) -> None:
    assert lifecycle.flush(timeout) in (True, False)


def test_a_span_after_the_shutdown_does_not_claim_a_row(service: Service) -> None:
    score = service.model().predict(returns(0.25))
    score(ROW)
    pipeline.pipeline_of(service.channel).shutdown(10.0)
    score(ROW)
    assert [(span.attributes or {})["driftline.prediction.recorded"] for span in service.spans] == [True, False]


@pytest.mark.slow
@pytest.mark.parametrize(
    "kept", ["rows = stream({'a': 1.0}); next(rows)", "last = Last(); last.itself = last"], ids=["generator", "del"]
)
def test_a_call_while_the_interpreter_ends_does_not_hang(kept: str) -> None:
    script = """
import driftline

model = driftline.Model("churn", task="binary")

@model.predict
def score(row):
    return 0.25

@model.predict
def stream(row):
    yield 0.25
    yield 0.25

class Last:
    def __del__(self, score=score):
        score({"a": 1.0})
"""
    done = subprocess.run([sys.executable, "-c", script + kept], capture_output=True, timeout=300, check=False)
    assert done.returncode == 0
