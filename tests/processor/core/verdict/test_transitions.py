"""What changed between two rows of a record: each kind by a case, and all of them over planted histories."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, Finding, Verdict, VerdictState
from driftline_processor.core.verdict.record import Record, Row, RowFinding, findings_of
from driftline_processor.core.verdict.transitions import transitions

from tests.support.verdict_windows import DAY, JULY, MISSING, change, known, right, value

AGE = RowFinding("cause", "missing:age", 1)
PLAN = RowFinding("joined", "recoded:plan", 5)
HARMLESS = RowFinding("harmless", "recoded:plan", 5)
RECODED = Finding("recoded", ("plan",), "critical", 0.0, 1.0, 1e-12)


def over(one: RowFinding) -> RowFinding:
    return RowFinding(one.role, one.subject, one.since, until=9)


def cause(subject: str) -> RowFinding:
    return RowFinding("cause", subject, 1)


def found(before: tuple[RowFinding, ...], after: tuple[RowFinding, ...]) -> list[tuple[str, str]]:
    """Return kind and subject of each transition from one row of a degradation to the next."""
    rows = Row(8, "degraded", 1, before), Row(9, "degraded", 1, after)
    return [(one.kind, "" if one.finding is None else one.finding.subject) for one in transitions(*rows)]


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        (None, "healthy", []),
        (None, "degraded", ["opened"]),
        ("unknown", "at_risk", ["opened"]),
        ("healthy", "degraded", ["opened"]),
        ("healthy", "unknown", []),
        ("at_risk", "degraded", ["worse"]),
        ("at_risk", "no_data", ["worse"]),
        ("degraded", "at_risk", []),
        ("degraded", "degraded", []),
        ("degraded", "unknown", []),
        ("degraded", "healthy", ["resolved"]),
        ("at_risk", "healthy", ["resolved"]),
    ],
)
def test_a_state_begins_gets_worse_and_ends(before: VerdictState | None, after: VerdictState, kinds: list[str]) -> None:
    row = None if before is None else Row(1, before, 0)
    assert [one.kind for one in transitions(row, Row(2, after, 1))] == kinds


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((AGE,), (AGE, PLAN), [("joined", "recoded:plan")]),
        ((AGE,), (AGE, HARMLESS), []),
        ((AGE, HARMLESS), (AGE, PLAN), [("joined", "recoded:plan")]),
        ((AGE, PLAN), (AGE,), []),
        ((AGE, PLAN), (AGE, over(PLAN)), [("recovered", "recoded:plan")]),
        ((AGE, PLAN), (over(AGE), PLAN), [("recovered", "missing:age")]),
        ((over(AGE), PLAN), (cause("recoded:plan"), over(AGE)), []),
        ((AGE,), (cause("unknown"), over(AGE)), [("recovered", "missing:age")]),
        ((AGE, over(PLAN)), (AGE, over(PLAN), PLAN), [("joined", "recoded:plan")]),
        ((AGE, over(PLAN), PLAN), (AGE, over(PLAN), PLAN), []),
        ((AGE,), (cause("drift:plan"),), [("cause_changed", "drift:plan")]),
        ((cause("unknown"),), (AGE,), [("cause_changed", "missing:age")]),
        ((AGE,), (cause("concept_change"),), [("cause_changed", "concept_change")]),
        ((cause("unknown"),), (cause("calibration"),), []),
        ((cause("concept_change"),), (cause("service"),), [("cause_changed", "service")]),
        (
            (AGE, PLAN),
            (cause("recoded:plan"), RowFinding("joined", "missing:age", 1)),
            [("cause_changed", "recoded:plan")],
        ),
        (
            (AGE,),
            (cause("drift:plan"), RowFinding("joined", "missing:age", 5), RowFinding("joined", "loss", 6)),
            [("cause_changed", "drift:plan"), ("joined", "loss")],
        ),
        ((), (AGE, PLAN), []),
    ],
)
def test_findings_join_are_over_and_replace_the_cause_once(
    before: tuple[RowFinding, ...], after: tuple[RowFinding, ...], expected: list[tuple[str, str]]
) -> None:
    assert found(before, after) == expected
    assert found(after, after) == []


def bad(day: int, loss: float = 0.7, **more: Any) -> Evaluation:
    low, high = loss - 0.03, loss + 0.03
    changes = {"log_loss": change("worse", loss - 0.5, low - 0.5, high - 0.5)}
    return known(day, changes, realized={"log_loss": value(loss, low, high)}, **more)


FIRST: dict[str, Any] = {"findings": [MISSING]}
BOTH: dict[str, Any] = {"findings": [MISSING, RECODED], "loss": 0.9}
SECOND: dict[str, Any] = {"findings": [RECODED]}


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ([FIRST] * 5, [(3, "opened", "")]),
        ([FIRST] * 5 + [BOTH] * 5, [(3, "opened", ""), (8, "joined", "recoded:plan")]),
        (
            [FIRST] * 5 + [BOTH] * 5 + [FIRST] * 5,
            [(3, "opened", ""), (8, "joined", "recoded:plan"), (14, "recovered", "recoded:plan")],
        ),
        (
            [FIRST] * 5 + [BOTH] * 5 + [SECOND] * 5,
            [(3, "opened", ""), (8, "joined", "recoded:plan"), (14, "recovered", "missing:age")],
        ),
        (
            [{"loss": 0.9}] * 5 + [{**SECOND, "loss": 0.9}] * 5 + [SECOND] * 5,
            [(3, "opened", ""), (14, "joined", "recoded:plan"), (14, "recovered", "unknown")],
        ),
    ],
)
def test_a_history_of_two_faults_has_each_transition_once(
    course: list[dict[str, Any]], expected: list[tuple[int, str, str]]
) -> None:
    windows = [*(right(day) for day in range(3)), *(bad(3 + at, **more) for at, more in enumerate(course))]
    ended = len(windows)
    record = Record([*windows, *(right(day) for day in range(ended, ended + 3))])
    changes = [
        ((row.end - JULY) // DAY - 1, one.kind, "" if one.finding is None else one.finding.subject)
        for before, row in pairwise(record.rows)
        for one in transitions(before, row)
    ]
    assert changes == [*expected, (ended + 1, "resolved", "")]


def test_a_finding_has_its_own_begin_its_size_and_its_end() -> None:
    windows = [*(right(day) for day in range(3)), *(bad(3 + day, **FIRST) for day in range(5))]
    (alone,) = Record(windows).rows[-1].findings
    assert (alone.role, alone.subject, alone.since, alone.fact) == ("cause", "missing:age", JULY + 3 * DAY, MISSING)
    assert alone.size is not None
    assert (alone.size.metric, round(alone.size.value, 2)) == ("log_loss", 0.2)
    windows += [bad(8 + day, **BOTH) for day in range(5)]
    first, joined = Record(windows).rows[-1].findings
    assert (first.size, first.until) == (None, None)
    assert joined.size is not None
    assert (joined.since, joined.size.metric, round(joined.size.value, 2)) == (JULY + 8 * DAY, "log_loss", 0.2)
    windows += [bad(13 + day, **FIRST) for day in range(5)]
    assert [one.until for one in Record(windows).rows[-1].findings] == [None, JULY + 13 * DAY]


@pytest.mark.parametrize("kept", [12, 6, 3, 1])
def test_a_degradation_whose_first_windows_left_the_memory_keeps_its_findings(kept: int) -> None:
    first = [*(right(day) for day in range(3)), *(bad(3 + day, **FIRST) for day in range(5))]
    windows = [*first, *(bad(8 + day, **BOTH) for day in range(6))]
    record = Record(windows)
    whole = [(one.role, one.subject, one.since) for one in record.rows[-1].findings]
    assert whole == [("cause", "missing:age", JULY + 3 * DAY), ("joined", "recoded:plan", JULY + 8 * DAY)]
    for day in range(14, 18):
        windows = [*windows, bad(day, **BOTH)][-kept:]
        record = record.revised(windows, record.context)
        assert [(one.role, one.subject, one.since) for one in record.rows[-1].findings] == whole


def test_a_healthy_model_has_a_finding_that_does_no_harm() -> None:
    verdict = Record([right(day, findings=[RECODED]) for day in range(3)]).as_of(JULY + 3 * DAY)
    assert verdict is not None
    assert [(one.role, one.subject) for one in findings_of(verdict)] == [("harmless", "recoded:plan")]


def test_a_slice_whose_bound_moves_with_more_rows_is_the_same_cause() -> None:
    def row(slice: str, feature: str) -> Row:
        worse = facts.SliceWorse("", "log_loss", 0.3, 1.4, share=1.0, days=2, features=(feature,))
        verdict = Verdict("degraded", JULY, cause=worse, slice=slice)
        return Row(JULY + DAY, "degraded", JULY, findings_of(verdict))

    first = row("tenure of 42 or more", "tenure")
    assert transitions(first, row("tenure of 37 or more", "tenure")) == []
    assert [one.kind for one in transitions(first, row("country=DE", "country"))] == ["cause_changed"]
