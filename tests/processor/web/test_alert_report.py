"""Reports of alerts: of the window that fired, under a name that stays; no message waits for one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from driftline_processor.policy.alerts import Alert
from driftline_processor.policy.message import Message
from driftline_processor.present.links import Links
from driftline_processor.queries.model_view import ModelView
from driftline_processor.web import alert_report
from driftline_processor.web.alert_report import AlertReports
from msgspec import structs

from tests.support.fake_view import NOW, FakeView, flights
from tests.support.html_page import Page
from tests.support.ordered_actions import ALERT, Alerts, order
from tests.support.unwrap import unwrap

HOSTILE = '../<script>alert("x")</script>\r\n'


def alert(model: ModelView, window: str = "1mo", start: int | None = None) -> Alert:
    key, severity = model.key, cast(Any, "critical")
    about = (ALERT, "health", key.model, key.environment, key.version, severity, "")
    return Alert(*about, "degraded", None, 0, None, 0, None, None, window, start, "")


def reports(model: ModelView, *alerts: Alert) -> AlertReports:
    links = Links("", "http://127.0.0.1:8780")
    return AlertReports(FakeView([model], alerts=Alerts(*alerts)), links, lambda: NOW)


def sent() -> Message:
    return order("jira/payments")


def test_a_report_is_of_the_window_that_fired() -> None:
    model = flights()
    first = model.windows["1mo"][0].window
    found = unwrap(reports(model, alert(model, start=first.start))(sent()))
    assert found.name == f"driftline-flights-{ALERT}-jira-payments.html"
    page = Page(found.html.decode())
    assert "script" not in page.tags
    newest = unwrap(reports(model, alert(model))(sent()))
    assert (newest.name, newest.html != found.html) == (found.name, True)


def test_a_hostile_name_is_neither_a_path_nor_markup() -> None:
    model = structs.replace(flights(), key=replace(flights().key, model=HOSTILE))
    found = unwrap(reports(model, alert(model))(sent()))
    assert "/" not in found.name
    assert found.name.isascii()
    assert b"<script>alert" not in found.html


@pytest.mark.parametrize("window", ["1h", "nonsense"])
def test_a_window_or_a_model_that_is_gone_has_none(window: str) -> None:
    model = flights()
    assert reports(model, alert(model, window))(sent()) is None
    assert reports(model)(sent()) is None
    gone = structs.replace(alert(model), model="gone")
    assert reports(model, gone)(sent()) is None


def test_a_report_that_fails_is_logged_and_holds_no_message_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any, **__: Any) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(alert_report, "report", fails)
    model = flights()
    assert reports(model, alert(model))(sent()) is None
    assert [one.message for one in caplog.records] == [
        "the report of an alert could not be written; the message is sent without it"
    ]
