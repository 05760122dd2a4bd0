"""When drift is an incident: twice in a row, or beyond doubt; until it is quiet twice."""

from __future__ import annotations

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.drift.incident import incident
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, MethodValue, State
from driftline_processor.core.windows.window import Window

HOUR = 3_600 * 10**9


def evaluation(at: int, state: State, p: float | None = 0.005, closed: bool = True) -> Evaluation:
    methods = {"ks": MethodValue(0.2, p)}
    return Evaluation(
        ModelKey("m"),
        Window("1h", at * HOUR, (at + 1) * HOUR),
        rows=1_000,
        closed=closed,
        features={"age": ColumnDrift("feature", "age", state, "ks", 1_000, methods)},
        score=ColumnDrift("score", "", "ok", "ks", 1_000, {"ks": MethodValue(0.0, 0.9)}),
    )


def since(states: str) -> list[int | None]:
    """The hour in which the incident began, for each window: d drift, D beyond doubt, - quiet, ? unknown."""
    meaning: dict[str, tuple[State, float | None]] = {
        "d": ("drift", 0.005),
        "D": ("drift", 1e-7),
        "-": ("ok", 0.5),
        "?": ("inconclusive", None),
    }
    previous: Evaluation | None = None
    found: list[int | None] = []
    for at, one in enumerate(states):
        current = evaluation(at, *meaning[one])
        current.incident = incident(current, previous)
        assert set(current.incident) <= {"feature:age"}
        began = current.incident.get("feature:age")
        found.append(None if began is None else began // HOUR)
        previous = current
    return found


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("-d--d-", [None] * 6),
        ("-dd-", [None, None, 1, 1]),
        ("-D", [None, 1]),
        ("dd-d--", [None, 0, 0, 0, 0, None]),
        ("dd--d", [None, 0, 0, None, None]),
        ("dd??-", [None, 0, 0, 0, None]),
        ("d?d", [None, None, None]),
        ("???", [None] * 3),
    ],
)
def test_an_incident_begins_with_two_and_ends_with_two(states: str, expected: list[int | None]) -> None:
    assert since(states) == expected


def test_an_open_window_begins_no_incident_and_ends_none() -> None:
    first = evaluation(0, "drift")
    half = evaluation(1, "drift", 1e-9, closed=False)
    assert incident(half, first) == {}
    first.incident = {"feature:age": 0}
    assert incident(evaluation(1, "ok", 0.9, closed=False), first) == {"feature:age": 0}


def test_the_score_and_the_class_have_incidents_too() -> None:
    both = [evaluation(at, "ok") for at in (0, 1)]
    for one in both:
        one.score = ColumnDrift("score", "", "drift", "ks", 1_000, {"ks": MethodValue(0.3, 0.001)})
        one.predicted = ColumnDrift("class", "", "drift", "chi2", 1_000, {"chi2": MethodValue(30.0, 1e-8)})
    both[0].incident = incident(both[0], None)
    assert both[0].incident == {"class": 0}
    assert incident(both[1], both[0]) == {"score": 0, "class": 0}
