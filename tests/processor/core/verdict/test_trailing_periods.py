"""The last 7 and 30 days together: small faults add up, a recovery begins anew, and chance is withdrawn."""

from __future__ import annotations

import numpy as np
import pytest
from driftline_processor.core.evaluation import InconclusiveReason, MetricChange, MetricValue
from driftline_processor.core.verdict.record import Record
from driftline_processor.core.verdict.trailing_periods import LENGTHS, TrailingPeriods, trailing_periods
from driftline_processor.core.windows.window import Window
from msgspec.structs import replace

from tests.support.loss_days import ERROR, MARGIN, REFERENCE, day, days
from tests.support.verdict_windows import DAY, JULY, MISSING, value, verdict_of_model


def test_days_add_up_with_the_weight_of_their_outcomes() -> None:
    noon = JULY + DAY // 2
    windows = [replace(day(0, 0.5), outcome_span=(noon, JULY + DAY)), day(1, 0.6, rows=1_500), day(2, 0.5)]
    (found,) = trailing_periods(windows).windows
    assert found.realized["log_loss"].value == pytest.approx(0.56)
    assert found.outcome_rows == 2_500
    assert (found.window.start, found.window.end) == (JULY, JULY + 3 * DAY)
    assert found.outcome_span == (noon, JULY + 3 * DAY)
    share, loss = np.array([0.2, 0.6, 0.2]), found.realized_changes["log_loss"]
    error = np.hypot(ERROR * np.sqrt((share**2).sum()), 0.005 / 1.96)
    assert loss.high is not None
    assert loss.high - loss.change == pytest.approx(1.96 * error, rel=1e-3)


def test_a_period_is_of_at_most_its_days_and_of_one_baseline() -> None:
    windows = days(*[0.5] * 40)
    assert [one.window.name for one in trailing_periods(windows).windows] == [*LENGTHS]
    assert [(one.window.end - one.window.start) // DAY for one in trailing_periods(windows).windows] == [7, 30]
    other = [replace(one, reference={"log_loss": value(0.4, 0.39, 0.41)}) for one in windows[:35]]
    assert [
        (one.window.end - one.window.start) // DAY for one in trailing_periods([*other, *windows[35:]]).windows
    ] == [5]
    assert trailing_periods(windows[:1]).windows == []
    assert trailing_periods([]) == TrailingPeriods([], 0)


def test_hours_are_added_up_by_day_and_a_longer_window_is_no_part() -> None:
    hours = [
        replace(one, window=Window("1h", one.window.start + at * DAY // 24, one.window.start + (at + 1) * DAY // 24))
        for one in days(*[0.5] * 12)
        for at in (9, 10, 11)
    ]
    week = replace(day(0, 0.9), window=Window("1w", JULY, JULY + 7 * DAY))
    found = trailing_periods(sorted([*hours, week], key=lambda one: one.window.end)).windows
    assert [one.realized_changes["log_loss"].state for one in found] == ["not_worse"]
    assert found[0].outcome_rows == 12 * 3 * 500


def test_a_fault_that_no_day_shows_is_shown_by_thirty() -> None:
    windows = [replace(one, verdict=None) for one in days(*[0.545] * 30)]
    assert [one.realized_changes["log_loss"].state for one in windows].count("worse") <= 1
    verdict = verdict_of_model(windows)
    assert (verdict.state, verdict.metric) == ("degraded", "log_loss")
    assert "days_together" in [one.kind for one in verdict.certainty]
    assert verdict_of_model(days(*[0.5] * 30)).state == "healthy"


def test_calm_days_that_show_nothing_alone_are_healthy_together() -> None:
    wide = [day(number, 0.5, error=0.05) for number in range(12)]
    assert {one.realized_changes["log_loss"].state for one in wide} == {"inconclusive"}
    assert [verdict_of_model(wide[:n]).state for n in (1, 12)] == ["unknown", "healthy"]


def test_one_bad_day_is_over_after_two_good_ones() -> None:
    bad = [*days(*[0.5] * 20), day(20, 1.0)]
    good = [day(number, 0.5) for number in range(21, 24)]
    states = [verdict_of_model([*bad, *good[:n]]).state for n in range(4)]
    assert states[0] in ("degraded", "at_risk")
    assert "degraded" not in states[2:]
    assert verdict_of_model([*bad, *(day(number, 0.5) for number in range(21, 40))]).state == "healthy"


def test_a_small_fault_is_over_once_as_many_days_exclude_it() -> None:
    fault, cure = days(*[0.56] * 30), [replace(one) for one in days(*[0.5] * 30, seed=2)]
    after = [day(30 + number, one.realized["log_loss"].value or 0.0) for number, one in enumerate(cure)]
    states = [verdict_of_model([*fault, *after[:n]]).state for n in (0, 1, 30)]
    assert states == ["degraded", "degraded", "healthy"]


def test_a_longer_window_inside_the_margin_withdraws_what_may_be_chance() -> None:
    windows = days(*[0.49] * 29)
    unlucky, outage = [day(at, 0.5 + 3.3 * ERROR) for at in (29, 30)], [day(at, 1.0) for at in (29, 30)]
    assert verdict_of_model([*windows, *unlucky]).state != "degraded"
    assert verdict_of_model([*windows, *outage]).state == "degraded"


def test_a_loss_at_the_level_of_a_period_is_not_withdrawn_by_a_longer_one() -> None:
    """Seven bad days of thirty are inside the margin of the thirty days together, and are no chance."""
    windows = [*days(*[0.5] * 23), *(day(at, 0.5 + MARGIN + 0.01) for at in range(23, 30))]
    (of_week, of_month) = trailing_periods(windows).windows
    assert of_week.realized_changes["log_loss"].state == "worse"
    assert of_month.realized_changes["log_loss"].state == "not_worse"
    assert verdict_of_model(windows).state == "degraded"


def test_newest_days_beyond_the_margin_leave_no_longer_period_healthy() -> None:
    """Two days at 2.5 standard errors are not enough for a loss, and too much for a healthy model."""
    windows = [*days(*[0.49] * 28), *(day(at, 0.5 + 2.5 * ERROR) for at in (28, 29))]
    found = trailing_periods(windows)
    assert found.windows[-1].realized_changes["log_loss"].state == "not_worse"
    assert found.doubtful is not None
    assert found.doubtful.window.start == windows[28].window.start
    verdict = verdict_of_model(windows)
    assert (verdict.state, verdict.reason) == ("unknown", "too_few_days")
    assert verdict.window_start == windows[28].window.start
    assert trailing_periods(windows[:28]).doubtful is None


def test_a_period_without_the_deciding_metric_is_not_healthy() -> None:
    auc = MetricChange("not_worse", 0.0, -0.01, 0.01, margin=0.05, error=0.005)
    both = [
        replace(
            one,
            realized_changes={"log_loss": replace(one.realized_changes["log_loss"], error=None), "roc_auc": auc},
            realized=dict(one.realized) | {"roc_auc": MetricValue(0.8, 500, "panes", low=0.79, high=0.81)},
            reference=REFERENCE | {"roc_auc": value(0.8, 0.795, 0.805)},
        )
        for one in days(*[0.5] * 7)
    ]
    (week,) = trailing_periods(both).windows
    assert week.realized_changes["roc_auc"].state == "inconclusive"
    assert "log_loss" not in week.realized_changes


def test_rows_without_times_have_no_recovery() -> None:
    timeless = replace(day(0, 1.0), window=Window("", 0, 0))
    assert verdict_of_model([timeless]).state == "degraded"


@pytest.mark.parametrize("reason", ["not_comparable", "easier_outcomes"])
def test_days_that_cannot_be_compared_are_not_healthy_together(reason: InconclusiveReason) -> None:
    windows = days(*[0.49] * 20)
    (chosen,) = windows[-1].realized_changes.values()
    windows[-1].realized_changes = {"log_loss": replace(chosen, state="inconclusive", reason=reason)}
    assert {one.realized_changes["log_loss"].reason for one in trailing_periods(windows).windows} == {reason}


@pytest.mark.parametrize(("rise", "most_days"), [(0.3, 0), (0.06, 12)])
def test_a_degradation_states_the_days_at_which_it_may_have_begun(rise: float, most_days: int) -> None:
    """At 95 % of a hundred seeds it began inside the stated range, which is short for a large rise."""
    inside, widths = 0, []
    for seed in range(100):
        verdict = verdict_of_model(days(*[0.5] * 15, *[0.5 + rise] * 15, seed=seed))
        if verdict.state != "degraded" or verdict.since is None:
            continue
        first = verdict.since if verdict.since_earliest is None else verdict.since_earliest
        inside += first <= JULY + 15 * DAY <= verdict.since
        widths.append((verdict.since - first) // DAY)
    assert len(widths) >= 95
    assert inside >= 0.93 * len(widths)
    assert float(np.median(widths)) <= most_days


def test_days_before_the_windows_that_show_a_loss_do_not_date_it() -> None:
    """Windows can be degraded before their outcomes are final: nothing is known of their days then."""
    windows = days(*[0.5] * 15, *[0.8] * 5)
    early = [*windows[:15], *(replace(one, maturity="immature") for one in windows[15:])]
    together = trailing_periods(early)
    assert together.onset("log_loss", JULY + 14 * DAY) is not None
    assert together.onset("log_loss", JULY + 15 * DAY) is None

    verdict = verdict_of_model(early)
    assert (verdict.state, verdict.since, verdict.since_earliest) == ("degraded", JULY + 15 * DAY, None)


def test_a_data_fault_dates_the_degradation_that_it_lasts_as_long_as() -> None:
    windows = days(*[0.5] * 10, *[0.57] * 10)
    faulty = [*windows[:10], *(replace(one, findings=(MISSING,)) for one in windows[10:])]
    assert verdict_of_model(windows).since_earliest is not None
    verdict = verdict_of_model(faulty)
    assert (verdict.state, verdict.since, verdict.since_earliest) == ("degraded", JULY + 10 * DAY, None)


@pytest.mark.parametrize(
    ("faulty", "begins"),
    [((25, 26, 27, 28, 29), 25), ((10, 11, 12, 13), 14), ((29,), 0), ((12,), 0)],
    ids=["a fault that lasts", "a fault that is over", "one window", "one window, over"],
)
def test_days_before_a_data_fault_and_before_its_end_say_nothing_about_those_since(
    faulty: tuple[int, ...], begins: int
) -> None:
    windows = [replace(one, findings=[MISSING] if at in faulty else []) for at, one in enumerate(days(*[0.5] * 30))]
    assert {one.window.start for one in trailing_periods(windows).windows[-1:]} == {JULY + begins * DAY}


def test_good_days_do_not_hide_the_loss_of_a_newer_data_fault() -> None:
    losses = days(*[0.5] * 26, *[0.57] * 4)
    assert verdict_of_model(losses).state != "degraded"
    verdict = verdict_of_model([*losses[:26], *(replace(one, findings=[MISSING]) for one in losses[26:])])
    assert (verdict.state, verdict.since) == ("degraded", JULY + 26 * DAY)


def test_a_second_fault_does_not_begin_with_the_one_that_is_over() -> None:
    """Between them, days are inconclusive, but together they show the recovery."""
    losses = days(*[0.5] * 20, 1.4, *[0.52] * 12, *[0.75] * 4, seed=3)
    between = {one.realized_changes["log_loss"].state for one in losses[21:33]}
    assert between == {"inconclusive"}
    rows = Record(losses).rows
    assert {row.state for row in rows[24:33]} == {"unknown"}
    assert {row.since for row in rows[33:] if row.state == "degraded"} == {JULY + 33 * DAY}
