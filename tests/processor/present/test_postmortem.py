"""A postmortem tells an incident in the order of its times, and counts what was lost from its windows alone."""

from __future__ import annotations

import re
from typing import Any

import pytest
from driftline_processor.present.postmortem import ASKED, Incident, first_firing, postmortem
from driftline_processor.web.file_report import postmortem_html

ALERT: dict[str, Any] = {
    "id": "abc",
    "policy": "accuracy-falls",
    "model": "churn",
    "environment": "prod",
    "version": "7",
    "severity": "critical",
    "owner": "growth",
    "state": None,
    "open": False,
    "since": "2026-07-03T00:00:00Z",
    "fired": "2026-07-05T00:00:00Z",
    "until": "2026-07-06T00:00:00Z",
    "first_seen": "2026-07-05T00:05:00Z",
    "resolved": "2026-07-06T02:00:00Z",
    "notified": "2026-07-05T00:05:00Z",
    "finding": "accuracy is 70 %, below 85 %",
    "acknowledged": {"time": "2026-07-05T00:35:00Z", "by": "ada", "why": "on it"},
    "messages": [
        {
            "channel": "slack", "kind": "opened", "created": "2026-07-05T00:05:00Z", "result": "delivered",
            "detail": "", "approved": None,
        },
        {
            "channel": "http/rollback", "kind": "opened", "created": "2026-07-05T00:05:01Z", "result": "delivered",
            "detail": "HTTP 200", "approved": {"time": "2026-07-05T00:40:00Z", "by": "bob", "why": "safe"},
        },
    ],
}  # fmt: skip


def day(number: int, change: dict[str, Any] | None = None, rows: int = 1_000) -> dict[str, Any]:
    return {
        "start": f"2026-07-0{number}T00:00:00Z",
        "end": f"2026-07-0{number + 1}T00:00:00Z",
        "rows": rows,
        "performance": {"changes": change or {}},
        "outcomes": {"rows": 800},
    }


def change(value: float, low: float, high: float) -> dict[str, Any]:
    return {"state": "worse", "change": value, "low": low, "high": high}


def verdict(number: int, state: str, cause: str, later: str = "") -> dict[str, Any]:
    """Return a day with the verdict as of its end."""
    found = {"state": state, "cause": cause or None, "later": later or None, "kind": "data_fault"}
    return {**day(number), "verdict": found}


def facts_of(text: str) -> dict[str, str]:
    """Return the table of facts, without escapes."""
    lines = (line.strip("| ").split(" | ") for line in text.replace("\\", "").splitlines() if line.startswith("| "))
    return {cells[0]: cells[1] for cells in lines if len(cells) == 2}


def told(*fired: tuple[str, str | None]) -> dict[str, Any]:
    firings = [{"fired": time, "since": since, "until": None} for time, since in fired]
    return {"firings": firings, "false_alarms": {"sentence": "at most 1 a month"}}


def test_times_are_told_in_their_order() -> None:
    text = postmortem(Incident(ALERT, "1d", [], [{"id": "x", "outcome_time": "2026-07-04T12:00:00Z"}]))
    table = text.partition("## Timeline")[2].partition("##")[0]
    events = [line.split("**")[1] for line in table.splitlines() if "**" in line]
    assert events == [
        *("Onset", "First outcome", "Fired", "Notification", "Action"),
        *("Acknowledged", "Approved", "Recovery", "Resolved"),
    ]
    assert re.findall(r"\| From [^|]+ \| ([^|]+) \|", text)[:2] == ["2 days", "30 minutes"]


def test_rows_that_were_sent_late_are_no_delay_of_the_message() -> None:
    late = {**ALERT, "first_seen": "2026-07-13T19:00:00Z", "notified": "2026-07-13T19:01:00Z"}
    text = postmortem(Incident(late, "1d"))
    delays = [line.split(" | ")[1] for line in text.splitlines() if line.startswith("| From ")]
    assert [re.match(r"[\d.]+ \w+", delay)[0] for delay in delays][:3] == ["2 days", "8.79 days", "1 minute"]  # type: ignore[index]


def test_an_alert_that_was_opened_again_keeps_its_first_notification() -> None:
    [first, order] = ALERT["messages"]
    again = {**first, "created": "2026-07-05T18:00:00Z"}
    failed = {**first, "created": "2026-07-05T00:01:00Z", "result": "failed"}
    alert = {**ALERT, "notified": "2026-07-05T18:00:00Z", "messages": [again, failed, first, order]}
    facts = facts_of(postmortem(Incident(alert, "1d")))
    assert facts["From the onset to the first notification"] == "2 days"
    assert facts["From the notification to the acknowledgement"] == "30 minutes"


def test_the_findings_are_those_of_the_newest_row_of_the_incident() -> None:
    ended, joined = "Store has new texts. This lasted until 3 July 2013.", "Temp is in °F since 4 July 2013."
    windows = [
        verdict(3, "degraded", "An older belief."),
        verdict(4, "degraded", ended, joined),
        verdict(5, "healthy", "That did no harm."),
        verdict(6, "degraded", "Another incident."),
    ]
    facts = facts_of(postmortem(Incident(ALERT, "1d", windows)))
    assert (facts["Cause"], facts["Also"], facts["Kind of change"]) == (ended, joined, "data fault")
    facts = facts_of(postmortem(Incident(ALERT, "1d", [*windows[2:3], verdict(4, "at_risk", "It drifted.")])))
    assert facts["Cause"] == "It drifted."
    assert facts_of(postmortem(Incident(ALERT, "1d", windows[2:3])))["Cause"] == "That did no harm."


def test_the_loss_is_that_of_the_windows_of_the_incident() -> None:
    accuracy = {"accuracy": change(-0.1, -0.15, -0.05), "cost_per_prediction": change(0.5, 0.2, 0.8)}
    windows = [day(1, accuracy), day(3, accuracy), day(4, accuracy), day(7, accuracy)]
    text = postmortem(Incident(ALERT, "1d", windows))
    assert "**160 more wrong predictions** (80 to 240) " in text
    assert "**1,000** (400 to 1,600) in the unit of `cost_per_prediction`" in text


def test_the_loss_of_a_regression_is_the_rise_of_its_error() -> None:
    windows = [day(3, {"mae": change(2.0, 1.0, 3.0)}), day(4, {"mae": change(4.0, 3.0, 5.0)}), day(5)]
    text = postmortem(Incident(ALERT, "1d", windows))
    assert "- **A mean absolute error 3 higher** (2 to 4) than in the baseline." in text
    assert "Unknown" not in text


def test_failed_calls_are_counted() -> None:
    service = {"calls": 1_000, "failed": 20, "errors": {"TimeoutError": 19, "ValueError": 1}}
    text = postmortem(Incident(ALERT, "1d", [{**day(3), "service": service}, {**day(4), "service": service}]))
    assert "- **40 failed calls**, 2 % of 2,000 (TimeoutError and ValueError)." in text


def test_a_loss_that_nobody_knows_is_said() -> None:
    assert "Unknown: " in postmortem(Incident(ALERT, "1d", [day(3)]))


def test_what_would_have_found_it_sooner_is_the_earliest_first() -> None:
    replays = {
        "same day": told(("2026-07-05T00:00:00Z", "2026-07-04T00:00:00Z")),
        "a day before": told(("2026-07-04T00:00:00Z", "2026-07-03T00:00:00Z")),
        "an hour": told(("2026-07-03T01:00:00Z", "2026-07-03T00:00:00Z")),
        "never": told(),
    }
    text = postmortem(Incident(ALERT, "1d", [], [], replays)).partition("earlier?")[2].partition("##")[0]
    rows = [line for line in text.splitlines() if line.startswith("| a")]
    assert rows == [
        "| an hour | 1.96 days | at most 1 a month |",
        "| a day before | 1 day | at most 1 a month |",
    ]


@pytest.mark.parametrize(
    ("fired", "since", "counts"),
    [
        ("2026-06-01T00:00:00Z", "2026-06-01T00:00:00Z", False),
        ("2026-07-09T00:00:00Z", "2026-07-09T00:00:00Z", False),
        ("2026-07-04T00:00:00Z", None, True),
    ],
)
def test_what_fired_at_another_time_found_something_else(fired: str, since: str | None, counts: bool) -> None:
    assert (first_firing(told((fired, since)), ALERT) is not None) is counts


def test_sections_for_people_are_empty() -> None:
    text = postmortem(Incident(ALERT))
    assert [title for title, _ in ASKED if f"\n## {title}\n" in text] == [title for title, _ in ASKED]


def test_texts_from_the_wire_are_no_markup() -> None:
    hostile = "<script>alert(1)</script> | [x](javascript:alert(1))\n# no"
    alert = {**ALERT, "model": hostile, "finding": hostile, "owner": hostile, "id": "`|<b>"}
    wrong = [{"id": hostile, "trace_id": "ab", "trace_url": "javascript:alert(1)", "predicted": hostile}]
    html = postmortem_html(postmortem(Incident(alert, "1d", [], wrong, unknown=hostile)))
    assert "<script" not in html
    assert 'javascript:alert(1)"' not in html
    assert "<a " not in html
    assert html.count("<h1>") == 1


def test_a_trace_is_a_link() -> None:
    wrong = [{"id": "1", "trace_id": "ab", "trace_url": "http://jaeger/trace/ab?uiFind=1"}]
    html = postmortem_html(postmortem(Incident(ALERT, "1d", [], wrong)))
    assert '<a href="http://jaeger/trace/ab?uiFind=1">ab</a>' in html
