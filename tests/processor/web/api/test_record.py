"""``GET /api/v1/models/{name}/record``: each change of the state or of its findings, as believed at a time."""

from __future__ import annotations

from typing import Any

import pytest
from driftline_processor.core.evaluation import Evaluation, Finding
from driftline_processor.core.verdict.record import Record
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.record_store import RecordStore
from starlette.testclient import TestClient

from tests.support.fake_view import app_of
from tests.support.state_rows import NOON, Opened, predictions
from tests.support.verdict_windows import DAY, MISSING, right, value, wrong

RECODED = Finding("recoded", ("plan",), "critical", 0.0, 1.0, 1e-12)
BOTH: dict[str, Any] = {"findings": [MISSING, RECODED], "realized": {"log_loss": value(0.9, 0.87, 0.93)}}
FIRST = [right(0), right(1), *(wrong(day, clear=True, findings=[MISSING]) for day in range(2, 7))]
SECOND = [*FIRST, *(wrong(day, clear=True, **BOTH) for day in range(7, 11))]


def store(opened: Opened, windows: list[Evaluation], now: int) -> None:
    """Store the record of windows as that of the model, believed at a time."""
    rows = RecordStore(opened.state.parts.connection)
    rows.write(rows.changed({1: Record(windows)}), now)


def test_a_row_has_its_findings_its_period_and_what_changes_it(state: Opened) -> None:
    state.send(predictions(["a"], NOON))
    state.state.settle()
    store(state, SECOND, NOON)
    client = TestClient(app_of(state.state, lambda: NOON + DAY))
    rows = client.get("/api/v1/models/churn/record").json()["rows"]
    assert [(row["end"][:10], row["state"], len(row["findings"])) for row in rows] == [
        ("2013-07-02", "healthy", 0),
        ("2013-07-04", "degraded", 1),
        ("2013-07-09", "degraded", 2),
    ]
    healthy, alone, both = rows
    assert healthy["changed_by"] is None
    assert alone["period"] == ["2013-07-03T00:00:00Z", "2013-07-04T00:00:00Z"]
    (cause,) = alone["findings"]
    assert cause == {
        **{"role": "cause", "subject": "missing:age", "since": "2013-07-03T00:00:00Z", "since_earliest": None},
        **{"until": None, "finding": "age never arrived (before, 2 % of its values were missing)"},
        "size": {"metric": "log_loss", "value": 0.2, "low": 0.18, "high": pytest.approx(0.22)},
    }
    assert [(one["role"], one["subject"], one["since"]) for one in both["findings"]] == [
        ("cause", "missing:age", "2013-07-03T00:00:00Z"),
        ("joined", "recoded:plan", "2013-07-08T00:00:00Z"),
    ]
    assert both["findings"][1]["size"]["metric"] == "log_loss"
    assert both["changed_by"].startswith("On 8 July 2013")


def test_the_findings_are_those_believed_at_a_time(state: Opened) -> None:
    state.send(predictions(["a"], NOON))
    state.state.settle()
    store(state, FIRST, NOON)
    store(state, [*SECOND[:5], *(right(day) for day in range(5, 11))], NOON + DAY)
    client = TestClient(app_of(state.state, lambda: NOON + 2 * DAY))

    def rows(as_of: int) -> list[tuple[str, str, list[str]]]:
        answer = client.get(f"/api/v1/models/churn/record?as_of={iso_time(as_of)}").json()["rows"]
        return [(row["end"][8:10], row["state"], [one["subject"] for one in row["findings"]]) for row in answer]

    assert rows(NOON - 1) == []
    assert rows(NOON) == [("02", "healthy", []), ("04", "degraded", ["missing:age"])]
    assert rows(NOON + DAY) == [
        ("02", "healthy", []),
        ("04", "degraded", ["missing:age"]),
        ("08", "healthy", []),
    ]
