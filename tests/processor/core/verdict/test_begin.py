"""Since when a model is degraded: the begin stays, few rows do not date it, and the range says what they leave open."""

from __future__ import annotations

import numpy as np
import pytest
from driftline_processor.core.evaluation import Evaluation, Finding
from driftline_processor.core.facts import NeverAsGood
from driftline_processor.core.intervals.onset import Onset
from driftline_processor.core.verdict.begin import first_rows, kept_begin
from driftline_processor.core.verdict.degradation import _dated_by, _windows_of
from driftline_processor.core.verdict.look import LastDegradation
from driftline_processor.core.verdict.model import decide
from driftline_processor.core.verdict.reading import read_window
from driftline_processor.core.verdict.record import Record
from driftline_processor.core.verdict.runs import Run
from driftline_processor.core.verdict.trailing_periods import TrailingPeriods, trailing_periods
from driftline_processor.core.windows.window import Window
from msgspec.structs import replace

from tests.support.loss_days import day, days
from tests.support.verdict_windows import DAY, JULY, change, known, objective, right, value, verdict_of_model, wrong

RECODED = Finding("recoded", ("plan",), "critical", 0.0, 1.0, 1e-9)


def began(*windows: Evaluation) -> tuple[float | None, float | None]:
    """Return the earliest begin and the begin of a degraded model, in days."""
    verdict = verdict_of_model(windows)
    assert verdict.state == "degraded"
    return tuple(None if at is None else (at - JULY) / DAY for at in (verdict.since_earliest, verdict.since))  # type: ignore[return-value]


def failing(number: int) -> Evaluation:
    """Return a day on which the availability misses its objective."""
    return known(number, {}, objectives=(objective("broken", "availability", 0.5),))


def few(number: int) -> Evaluation:
    """Return a day of one row."""
    return replace(known(number, {}), rows=1, outcome_rows=1)


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        ([], (None, 12)),
        ([few(12)], (12, 13)),
        ([few(13)], (12, 14)),
        ([few(12), few(14)], (12, 15)),
    ],
    ids=["no gap", "one row", "an empty day and one row", "one row, an empty day, one row"],
)
def test_days_that_cannot_show_a_fall_are_in_its_range(
    between: list[Evaluation], expected: tuple[float | None, float]
) -> None:
    first = int(expected[1])
    losses = [*[0.5] * first, *[0.9] * 6]
    noise = np.random.default_rng(1).normal(0, 0.03, len(losses))
    shown = [day(at, losses[at] + noise[at]) for at in (*range(12), *range(first, first + 6))]
    assert began(*sorted((*shown, *between), key=lambda one: one.window.start)) == expected


@pytest.mark.parametrize("few_rows", [(), (13,), (13, 15)])
def test_a_day_of_a_few_rows_does_not_end_the_search_for_the_begin_of_a_data_fault(few_rows: tuple[int, ...]) -> None:
    windows = [day(at, loss) for at, loss in enumerate([*[0.5] * 12, 0.56, 0.56, *[0.65] * 6])]
    windows = [*windows[:12], *(replace(one, findings=[RECODED]) for one in windows[12:])]
    windows = [few(at) if at in few_rows else one for at, one in enumerate(windows)]
    assert began(*windows) == (None, 12)


def test_a_degradation_keeps_its_begin_when_its_first_days_leave_the_memory() -> None:
    windows = days(*[0.5] * 10, *[0.7] * 90)
    for at in (30, 31):  # two days inside the margin, which do not show a recovery
        moved = windows[at].realized_changes["log_loss"]
        windows[at].realized_changes = {"log_loss": replace(moved, state="not_worse")}
    rows = Record(windows).rows
    assert {row.since for row in rows if row.state == "degraded"} == {JULY + 10 * DAY}
    assert {row.state for row in rows[32:]} == {"degraded"}


@pytest.mark.parametrize(("between", "expected"), [(0.5, 15), (0.8, 5)])
def test_a_second_fault_that_does_more_harm_than_the_first_does_not_date_the_degradation(
    between: float, expected: int
) -> None:
    windows = days(*[0.5] * 5, *[between] * 10, *[2.0] * 10)
    run, onset = Run(read_window(windows[-1]), JULY + 15 * DAY), Onset(*[JULY + 15 * DAY] * 3)
    last = LastDegradation(JULY + 5 * DAY, JULY + 25 * DAY)
    assert kept_begin(run, onset, last, trailing_periods(windows)) == JULY + expected * DAY


def test_the_begin_of_days_together_is_that_of_other_windows() -> None:
    closed = [read_window(one) for one in days(*[0.5] * 10, *[0.9] * 6)]
    week = replace(closed[-1].evaluation, window=Window("7d", JULY + 9 * DAY, JULY + 16 * DAY))
    run = Run(replace(closed[-1], evaluation=week), JULY + 2 * DAY)
    assert _dated_by(run, Onset(*[JULY + 10 * DAY] * 3), closed).since == JULY + 10 * DAY


def test_a_long_window_that_contains_the_begin_is_of_the_degradation() -> None:
    week = replace(wrong(), window=Window("1w", JULY, JULY + 7 * DAY))
    reading = read_window(week)
    assert _windows_of(Run(reading, JULY + 3 * DAY), [reading]) == [week]


@pytest.mark.parametrize(
    ("last", "onset", "recovered", "expected"),
    [
        (None, None, 0, 8),
        (LastDegradation(3, 10), None, 0, 3),
        (LastDegradation(3, 7), None, 0, 8),
        (LastDegradation(9, 12), None, 0, 9),
        (LastDegradation(3, 10), None, 5, 8),
        (LastDegradation(3, 10), Onset(2, 8, 7), 0, 3),
        (LastDegradation(3, 10), Onset(6, 8, 7), 0, 8),
        (LastDegradation(3, 10), Onset(6, 9, 7), 0, 3),
        (LastDegradation(9, 12), Onset(7, 8, 8, length=2), 0, 9),
        (LastDegradation(9, 12), Onset(7, 8, 8, length=1), 0, 8),
    ],
    ids=[
        "the first one",
        "the last one lasted",
        "the last one had ended",
        "the first window contains the known begin",
        "a recovery between them",
        "an onset with the known begin",
        "an onset that excludes it",
        "an onset of a second fault",
        "an onset by windows that contain the known begin",
        "an onset by shorter windows before it",
    ],
)
def test_the_begin_of_a_degradation_that_shows_again(
    last: LastDegradation | None, onset: Onset | None, recovered: int, expected: int
) -> None:
    assert kept_begin(Run(read_window(wrong(8)), 8), onset, last, TrailingPeriods([], recovered)) == expected


def test_a_failing_service_is_dated_by_its_own_windows() -> None:
    assert kept_begin(Run(read_window(failing(8)), 8), None, LastDegradation(3, 10), TrailingPeriods([], 0)) == 8


@pytest.mark.parametrize(("first", "expected"), [(8, 8), (9, 3)])
def test_a_service_that_fails_during_a_degradation_does_not_date_it(first: int, expected: int) -> None:
    run, last = Run(read_window(failing(8)), 8), LastDegradation(3, 10)
    assert kept_begin(run, None, last, TrailingPeriods([], 0), Onset(first, first, first)) == expected


def test_a_longer_window_around_the_begin_does_not_move_it() -> None:
    reading, noon = read_window(failing(8)), JULY + 8 * DAY + DAY // 2
    last = LastDegradation(noon, noon + DAY // 24)
    assert kept_begin(Run(reading, JULY + 8 * DAY), None, last, TrailingPeriods([], 0)) == noon
    assert kept_begin(Run(reading, JULY + 8 * DAY), None, last, TrailingPeriods([], noon + 1)) == JULY + 8 * DAY


@pytest.mark.parametrize(("since", "expected"), [(24, 33), (30, 33), (33, 33), (33.5, 33.5), (0, 0), (60, 60)])
def test_a_begin_at_night_is_that_of_the_first_calls(since: float, expected: float) -> None:
    """Calls come from nine to five, and a day begins at midnight; an older day has no hours any more."""
    hour = DAY // 24
    hours = [replace(right(), window=Window("1h", at * hour, (at + 1) * hour), rows=36) for at in range(33, 41)]
    whole = [replace(right(), window=Window("1d", at * DAY, (at + 1) * DAY), rows=36) for at in (0, 1)]
    closed = [read_window(one) for one in (*hours, *whole)]
    assert first_rows(int(since * hour), closed) == expected * hour
    assert first_rows(None, closed) is None


def test_inconclusive_windows_before_a_fall_without_an_onset_are_in_its_range() -> None:
    inconclusive = {"log_loss": change("inconclusive", 0.1, -0.3, 0.5, reason="too_few_rows")}
    unknown = [known(at, inconclusive, realized={"log_loss": value(0.6)}) for at in (1, 2)]
    assert began(right(0), *unknown, wrong(3, clear=True)) == (1, 3)
    assert began(right(0), right(1), right(2), wrong(3, clear=True)) == (None, 3)


def test_an_objective_began_where_its_metric_fell() -> None:
    def of_accuracy(number: int, accuracy: float, rows: int = 60) -> Evaluation:
        half = 1.96 * 0.5 / rows**0.5
        low, high = accuracy - half, accuracy + half
        state = "broken" if high < 0.85 else "met" if low > 0.85 else "inconclusive"
        broken = replace(objective(state, "accuracy", accuracy, low=low, high=high), limit=0.85)
        realized = {"accuracy": value(accuracy, low, high)}
        return replace(known(number, {}, objectives=(broken,), realized=realized), rows=rows, outcome_rows=rows)

    shown = [0.95] * 12 + [0.7, 0.78, 0.8, 0.6, 0.6, 0.6]
    assert began(*(of_accuracy(at, accuracy) for at, accuracy in enumerate(shown))) == (None, 12)


@pytest.mark.parametrize("good_days", [8, 0])
def test_a_model_that_became_worse_was_as_good_as_its_baseline_before(good_days: int) -> None:
    """Each of three longer windows is worse, as with a baseline of training rows, but days tell when it began."""
    area = {"roc_auc": value(0.6)}
    short = [replace(one, realized=one.realized | area) for one in days(*[0.5] * good_days, *[0.9] * (48 - good_days))]
    long = [
        replace(wrong(at, realized=area), window=Window("16d", JULY + at * DAY, JULY + (at + 16) * DAY))
        for at in (0, 16, 32)
    ]
    cause = verdict_of_model([*short, *long]).cause
    assert isinstance(cause, NeverAsGood) == (good_days == 0)


@pytest.mark.parametrize("earliest", [JULY + 18 * DAY, None])
def test_a_begin_that_is_kept_keeps_its_range(earliest: int | None) -> None:
    month = replace(wrong(0, clear=True), window=Window("1mo", JULY, JULY + 30 * DAY))
    before = replace(few(-31), window=Window("1mo", JULY - 31 * DAY, JULY))
    last = LastDegradation(JULY + 20 * DAY, JULY + 21 * DAY, earliest)
    verdict = decide([before, month], last=lambda: last).verdict()
    assert (verdict.since, verdict.since_earliest) == (last.since, earliest)
    assert decide([before, month]).verdict().since_earliest == JULY - 31 * DAY
