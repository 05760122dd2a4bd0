"""The page of the processor: what is wrong, what waits, and where things go."""

from __future__ import annotations

import re

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline_processor.health import Health, Labels
from driftline_processor.web.site import Process, evaluated_until
from starlette.testclient import TestClient

from tests.support.fake_view import NOW, FakeView, app_of, price
from tests.support.html_page import Page, page

JAEGER = (a.DRIFTLINE_DESTINATION, "otlp/jaeger")
COUNTED: dict[tuple[str, Labels], float] = {
    (m.DRIFTLINE_RECEIVED_ROWS, ((a.DRIFTLINE_SIGNAL, "logs"),)): 56_965.0,
    (m.DRIFTLINE_RECEIVED_ROWS, ((a.DRIFTLINE_SIGNAL, "traces"),)): 35.0,
    (m.DRIFTLINE_PENDING_WINDOWS, ()): 12.0,
    (m.DRIFTLINE_PENDING_WINDOW_AGE, ()): 95.0,
    (m.DRIFTLINE_EVALUATION_LAG, ((a.DRIFTLINE_WINDOW, "1h"),)): 400.0,
    (m.DRIFTLINE_EVALUATION_LAG, ((a.DRIFTLINE_WINDOW, "1d"),)): 0.0,
    (m.DRIFTLINE_LOG_SIZE, ()): 3.0 * (1 << 20),
    (m.DRIFTLINE_FORWARD_SENT_REQUESTS, (JAEGER, (a.DRIFTLINE_SIGNAL, "logs"))): 120.0,
    (m.DRIFTLINE_FORWARD_SENT_REQUESTS, (JAEGER, (a.DRIFTLINE_SIGNAL, "traces"))): 3.0,
    (m.DRIFTLINE_FORWARD_FAILED_REQUESTS, (JAEGER,)): 2.0,
    (m.DRIFTLINE_FORWARD_REJECTED_RECORDS, (JAEGER,)): 7.0,
    (m.DRIFTLINE_FORWARD_QUEUE_SIZE, (JAEGER,)): 4096.0,
}


def client(health: Health, view: FakeView | None = None, process: Process | None = None) -> TestClient:
    addresses = {"grpc": "127.0.0.1:4317", "web": "127.0.0.1:8780"}
    about = process or Process()
    return TestClient(app_of(view or FakeView(), health=health, addresses=addresses, process=about))


def test_without_problems_it_says_that_nothing_is_wrong() -> None:
    shown = page(client(Health()), "/status")
    assert shown.classes["problems"] == ["answer", "verdict-healthy"]
    assert "late" not in shown.part("evaluation")
    assert "dropped" not in shown.part("listening")


def test_a_backfill_is_not_called_evaluated() -> None:
    waits: dict[tuple[str, Labels], float] = {
        (m.DRIFTLINE_PENDING_WINDOWS, ()): 20_409.0,
        (m.DRIFTLINE_PENDING_WINDOW_AGE, ()): 435.0,
        (m.DRIFTLINE_EVALUATION_LAG, ((a.DRIFTLINE_WINDOW, "1h"),)): 0.0,
    }
    shown = page(client(Health(), FakeView(own=waits)), "/status")
    assert shown.classes["problems"] == ["answer", "verdict-unknown"]
    assert "20,409 windows" in shown.part("problems")
    assert "20,409 windows" in shown.part("evaluation").partition("Evaluation")[0]


def test_windows_that_wait_for_some_seconds_are_no_news() -> None:
    waits: dict[tuple[str, Labels], float] = {
        (m.DRIFTLINE_PENDING_WINDOWS, ()): 3.0,
        (m.DRIFTLINE_PENDING_WINDOW_AGE, ()): 20.0,
    }
    assert "verdict-healthy" in page(client(Health(), FakeView(own=waits)), "/status").classes["problems"]


def test_problems_come_first_and_say_whether_data_are_taken() -> None:
    health = Health()
    health.report("storage", "the disk is <full>")
    health.report("windows", "12 windows wait", ready=True)
    shown = page(client(health), "/status")
    storage, windows = re.split(" (?=windows : )", shown.part("problems"))
    assert storage.startswith("storage : the disk is <full> ")
    assert windows == "windows : 12 windows wait"
    assert "verdict-healthy" not in shown.classes["problems"]
    assert shown.ids.index("problems") < shown.ids.index("evaluation")


def test_it_counts_what_came_what_waits_and_what_was_sent() -> None:
    text = page(client(Health(), FakeView(own=COUNTED)), "/status").text
    assert "1 January 2014, 08:53 : windows of 1h are 6m40s late" in text
    assert "waiting windows 12 longest wait of a window 1m35s" in text
    assert "stored rows 57,000 (logs 56,965, traces 35)" in text
    assert "log of accepted requests 3 MiB" in text
    assert "otlp/jaeger 123 4,096 2 7 0" in text
    assert "grpc 127.0.0.1:4317" in text
    assert "pages and API 127.0.0.1:8780" in text


def test_it_says_what_the_process_takes_and_may_take() -> None:
    process = Process(
        lambda: ["rows are kept in /data", "forwarding traces to http://jaeger:4318"],
        *(lambda: 300 << 20, 2 << 30, {"models": 1000, "connections": 500}, NOW - 3600 * 10**9),
    )
    found = page(client(Health(), FakeView([price()]), process), "/status")
    assert "rows are kept in /data forwarding traces to http://jaeger:4318" in found.text
    assert "memory 300 MiB of 2 GiB models 1 of 1,000 connections at most 500" in found.text
    assert "started 1 January 2014, 08:00" in found.text
    assert {"/metrics", "/healthz", "/readyz"} <= set(found.links)


def test_hints_of_no_model_are_here_too() -> None:
    said = "1 outcome waits for model rsik, which has sent no predictions."
    assert said in page(client(Health(), FakeView(said=(said,))), "/status").text


def test_it_is_a_table_for_programs_too() -> None:
    health = Health()
    health.report("storage", "the disk is full")
    asked = client(health, FakeView(own=COUNTED))
    told = asked.get("/status?format=json").json()
    assert told["problems"] == [{"name": "storage", "message": "the disk is full", "ready": False}]
    assert told["destinations"] == [
        {
            "destination": "otlp/jaeger",
            "sent": 123.0,
            "waiting": 4096.0,
            "refused": 2.0,
            "rejected": 7.0,
            "dropped": 0.0,
        }
    ]
    assert "driftline" in [one["package"] for one in told["versions"]]
    assert f"{m.DRIFTLINE_PENDING_WINDOWS},,12.0" in asked.get("/status?format=csv").text


def test_labels_from_outside_are_text() -> None:
    hostile: dict[tuple[str, Labels], float] = {
        (m.DRIFTLINE_FORWARD_SENT_REQUESTS, ((a.DRIFTLINE_DESTINATION, "<b>\x1b"),)): 1.0
    }
    html = client(Health(), FakeView(own=hostile)).get("/status").text
    assert "&lt;b&gt;·" in html
    assert "<b>\x1b" not in html
    assert Page(html).styles == []


def test_evaluation_is_told_to_the_minute_from_a_minute_of_lag_on() -> None:
    lag = (m.DRIFTLINE_EVALUATION_LAG, ((a.DRIFTLINE_WINDOW, "5m"),))
    assert evaluated_until({}, NOW) is None
    assert evaluated_until({lag: 59.9}, NOW) is None
    assert evaluated_until({lag: 61.0}, NOW) == NOW - 120 * 10**9
