"""What a window is compared with where that is the model's own last days."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.panes.outcome_sums import widths
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64, ModelKey
from driftline_processor.core import facts
from driftline_processor.core.drift.rule import drift
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.performance.objective import read_objective
from driftline_processor.core.performance.reference import reference_of
from driftline_processor.core.performance.settings import STANDARD
from driftline_processor.core.performance.window_outcomes import WindowOutcomes
from driftline_processor.core.reference.rebinning import rebin_baseline
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.reference.rolling import LEAST_ROWS, ReferencePeriods, Rolling, rolling_reference
from driftline_processor.core.window_context import WindowContext
from driftline_processor.core.windows.window import Window, window_of
from msgspec.structs import replace

from tests.support.unwrap import of_type

DAY = 86_400 * 10**9
HOUR = DAY // 24
NEW_YORK = "America/New_York"
MARCH = 1_362_805_200 * 10**9
"""9 March 2013, midnight in New York; the clocks went forward in the night after."""


def test_the_reference_of_a_day_is_whole_days_up_to_the_day_before() -> None:
    day = window_of("1d", 100 * DAY)
    for rolling in (Rolling("30d", "24h"), Rolling("30d"), Rolling("30d", "1h")):
        found = rolling.stretches(day)
        assert [one.start for one in found] == [at * DAY for at in range(70, 100)]
        assert [one.end for one in found] == [at * DAY for at in range(71, 101)]
    assert Rolling("30d", "3d").stretches(day)[-1].end == 98 * DAY


def test_all_hours_of_a_day_have_one_reference_and_none_is_in_its_own() -> None:
    for last, without in (("30d", "24h"), ("30d", ""), ("12h", ""), ("1mo", "1h")):
        rolling = Rolling(last, without)
        for hour in range(24):
            window = window_of("1h", 100 * DAY + hour * HOUR)
            stretches = rolling.stretches(window)
            assert stretches[-1].end <= window.start
            assert all(a.end == b.start for a, b in pairwise(stretches))
    ends = {Rolling("30d").stretches(window_of("1h", 100 * DAY + hour * HOUR))[-1].end for hour in range(24)}
    assert ends == {100 * DAY}
    assert Rolling("12h").stretches(window_of("1h", 100 * DAY + 7 * HOUR))[0] == Window(
        "15m", 100 * DAY - 5 * HOUR, 100 * DAY - 5 * HOUR + HOUR // 4
    )


def test_days_are_those_of_the_time_zone_when_the_clocks_change() -> None:
    for at in range(5):
        day = window_of("1d", MARCH + at * DAY + 2 * HOUR, NEW_YORK)
        found = Rolling("30d", "24h").stretches(day, NEW_YORK)
        assert (found[-1].end, len(found)) == (day.start, 30)
        assert {(one.end - one.start) // HOUR for one in found} <= {23, 24}


def test_a_window_longer_than_what_is_left_out_is_not_in_its_own_reference() -> None:
    month = window_of("1mo", 100 * DAY)
    assert Rolling("30d", "24h").stretches(month)[-1].end == month.start


def day_of(at: int) -> Window:
    return window_of("1d", at * DAY)


def always(windows: Sequence[Window]) -> Callable[[int], Sequence[Window]]:
    """The windows that drifted, whatever the time since which they are asked."""
    return lambda _: windows


def starts(found: ReferencePeriods) -> list[int]:
    return [period.start // DAY for period in found.stretches]


def test_earlier_days_replace_those_that_drifted_until_the_time_to_accept_them_has_passed() -> None:
    rolling = Rolling("10d", "24h", accept_after="5d")
    drifted = [day_of(30), day_of(32)]
    assert starts(rolling.periods(day_of(33), drifted=always(drifted))) == [*range(21, 30), 31]
    assert rolling.periods(day_of(33), drifted=always(drifted)).left_out == (
        (30 * DAY, 31 * DAY),
        (32 * DAY, 33 * DAY),
    )
    assert starts(rolling.periods(day_of(36), drifted=always(drifted))) == [*range(25, 32), 33, 34, 35]
    assert rolling.periods(day_of(38), drifted=always(drifted)) == ReferencePeriods(rolling.stretches(day_of(38)))
    assert rolling.periods(day_of(30), drifted=always([])) == ReferencePeriods(rolling.stretches(day_of(30)))


@pytest.mark.parametrize(("last", "accept_after", "days"), [("30d", "", 14), ("10d", "", 10), ("10d", "20d", 20)])
def test_a_shift_that_lasts_is_left_out_for_the_stated_time_and_what_was_before_stays_the_reference(
    last: str, accept_after: str, days: int
) -> None:
    rolling, count = Rolling(last, accept_after=accept_after), int(last.removesuffix("d"))
    for age in range(1, days + 1):
        drifted = [day_of(at) for at in range(100, 100 + age)]
        found = rolling.periods(day_of(100 + age), drifted=always(drifted))
        assert starts(found) == [*range(100 - count, 100)]
        assert found.left_out == ((100 * DAY, (100 + age) * DAY),)
    after = rolling.periods(day_of(101 + days), drifted=always([day_of(at) for at in range(100, 101 + days)]))
    assert starts(after) == [*range(101 - count, 101)]


def test_an_accepted_drift_is_in_the_reference_of_windows_that_end_later() -> None:
    accepted = Rolling("10d", accepted_until=32 * DAY + HOUR)
    drifted = [day_of(30), day_of(31), day_of(32), day_of(33)]
    assert starts(accepted.periods(day_of(31), drifted=always(drifted[:1]))) == [*range(20, 30)]
    assert starts(accepted.periods(day_of(32), drifted=always(drifted[:2]))) == [*range(22, 32)]
    assert starts(accepted.periods(day_of(34), drifted=always(drifted))) == [*range(23, 33)]


def test_a_day_is_left_out_if_windows_that_cover_a_quarter_of_it_drifted() -> None:
    hours = [window_of("1h", 30 * DAY + at * HOUR) for at in range(9, 15)]
    now = window_of("1h", 31 * DAY + 5 * HOUR)
    assert starts(Rolling("10d").periods(now, drifted=always(hours))) == [*range(20, 30)]
    assert starts(Rolling("10d").periods(now, drifted=always(hours[1:]))) == [*range(21, 31)]
    week = window_of("1w", 11 * DAY)
    found = Rolling("10d").periods(window_of("1w", 18 * DAY), drifted=always([week]))
    assert (week.start // DAY, starts(found)) == (11, [*range(1, 11)])
    months = [window_of("1mo", at * DAY) for at in (70, 100, 130)]
    assert Rolling("30d").periods(months[1], drifted=always(months[:1])).ranges[-1][1] == months[0].start
    assert Rolling("30d").periods(months[2], drifted=always(months[:1])).left_out == ()
    quarter = Rolling("12h").periods(window_of("1h", 30 * DAY), drifted=always([window_of("1h", 30 * DAY - HOUR)]))
    assert (len(quarter.stretches), quarter.left_out) == (48, ((30 * DAY - HOUR, 30 * DAY),))


def test_days_that_are_left_out_are_those_of_the_time_zone_when_the_clocks_change() -> None:
    days = [window_of("1d", MARCH + at * DAY + 2 * HOUR, NEW_YORK) for at in range(3)]
    found = Rolling("10d", "24h").periods(days[2], NEW_YORK, drifted=always(days[:2]))
    assert found.left_out == ((days[0].start, days[2].start),)
    assert (len(found.stretches), found.ranges) == (10, ((found.stretches[0].start, days[0].start),))


def test_the_reference_of_a_window_names_what_it_leaves_out_and_its_rows_are_the_others(baseline: Baseline) -> None:
    found = Rolling("10d").periods(day_of(33), drifted=always([day_of(30), day_of(31)]))
    panes = [pane(200, at, baseline) for at in starts(found)]
    reference = rolling_reference(baseline, Rolling("10d"), found, panes)
    assert of_type(reference.notes[0], facts.OwnLastRows).left_out == (30 * DAY, 32 * DAY)
    assert reference.baseline.extras.blocks is not None
    assert (reference.baseline.extras.blocks.starts // DAY).tolist() == [*range(21, 30), 32]
    np.testing.assert_array_equal(reference.baseline.pane.parts["rows"], merge(panes).parts["rows"])


def test_only_a_window_that_drifts_from_a_rolling_reference_is_left_out_later(baseline: Baseline) -> None:
    quiet, moved = pane(1_000, 99, baseline), pane(1_000, 99, baseline, moved=1.0)
    rolling = rolling_reference(baseline, Rolling("30d"), days(30), [pane(200, 1 + at, baseline) for at in range(30)])
    for reference, one, expected in (
        (rolling, moved, True),
        (rolling, quiet, False),
        (Reference(baseline), moved, False),
    ):
        found = judge_window(ModelWindow(ModelKey("m", ""), day_of(30), one), reference)
        assert found.features["age"].state == ("ok" if one is quiet else "drift")
        assert found.rolling_drift is expected


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return Baseline.from_frame(rows(2_000, 0), score="score", model="m", task="binary")


def rows(n: int, seed: int, moved: float = 0.0) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    plan = np.where(rng.random(n) < 0.3, "free", "paid")
    return {"age": rng.normal(moved, 1.0, n), "plan": plan, "score": rng.random(n)}


def pane(n: int, seed: int, baseline: Baseline, moved: float = 0.0) -> Pane:
    table, *_ = table_from_frame(rows(n, seed, moved), score="score", model="m", task="binary")
    return fold(table, baseline.bins)


def days(count: int) -> ReferencePeriods:
    return ReferencePeriods([Window("1d", at * DAY, (at + 1) * DAY) for at in range(count)])


def test_a_shift_that_lasts_is_drift_from_the_baseline_and_none_from_the_last_days(baseline: Baseline) -> None:
    panes = [pane(200, 1 + at, baseline, moved=1.0) for at in range(30)]
    compared = rolling_reference(baseline, Rolling("30d", "24h"), days(30), panes)
    today = pane(1_000, 99, baseline, moved=1.0)
    before, now = drift(today, baseline), drift(today, compared.baseline)
    assert (before.features["age"].state, now.features["age"].state) == ("drift", "ok")
    note = facts.OwnLastRows(last="30d", without="24h", rows=6_000, left_out=(), timezone="UTC")
    assert compared.notes == (note,)
    drawn = drift(merge(panes), compared.baseline).features["age"].now  # to nine decimals
    was = now.features["age"].was
    assert was is not None
    assert drawn is not None
    np.testing.assert_allclose(was, drawn, rtol=0, atol=1e-9)


def test_its_bins_stay_and_its_blocks_are_its_days(baseline: Baseline) -> None:
    panes = [pane(200, 1 + at, baseline) for at in range(30)]
    found = rolling_reference(baseline, Rolling("30d"), days(30), panes).baseline
    assert (found.fold, found.bins) == (baseline.fold, baseline.bins)
    assert Baseline.from_json(found.to_json()).fold == baseline.fold
    assert found.extras.blocks is not None
    assert found.extras.period is not None
    assert (found.extras.blocks.length, len(found.extras.blocks.starts)) == (DAY, 30)
    assert (found.extras.period.first, found.extras.period.last) == (0, 30 * DAY - 1)
    np.testing.assert_array_equal(found.extras.blocks.rows.sum(axis=0), merge(panes).parts["rows"])


def test_of_a_long_reference_several_days_are_a_block_and_the_oldest_are_in_none(baseline: Baseline) -> None:
    panes = [pane(20, 1 + at, baseline) for at in range(91)]
    found = rolling_reference(baseline, Rolling("91d"), days(91), panes).baseline
    assert found.extras.blocks is not None
    assert (found.extras.blocks.length, len(found.extras.blocks.starts)) == (2 * DAY, 45)
    assert found.extras.blocks.starts[0] == DAY
    assert found.pane.rows == 91 * 20


def test_cannot_tell_or_days_leave_the_baseline_and_are_said(baseline: Baseline) -> None:
    few = [pane(LEAST_ROWS // 30, at, baseline) for at in range(30)]
    note = facts.LastRowsTooFew(last="30d", without="", rows=990, periods=30, of=30, unit="1d")
    assert rolling_reference(baseline, Rolling("30d"), days(30), few) == Reference(baseline, (note,))
    empty = [Pane() for _ in range(24)]
    short = rolling_reference(
        baseline, Rolling("30d"), days(30), [*empty, *[pane(500, at, baseline) for at in range(6)]]
    )
    assert short.baseline is baseline
    too_few = of_type(short.notes[0], facts.LastRowsTooFew)
    assert (too_few.rows, too_few.periods) == (3_000, 6)
    enough = rolling_reference(
        baseline, Rolling("30d"), days(30), [*empty[1:], *[pane(500, at, baseline) for at in range(7)]]
    )
    assert enough.baseline is not baseline


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_performance_stays_that_of_the_baseline_in_every_part(task: str) -> None:
    built = judged(task)
    found = rolling_reference(built, Rolling("30d"), days(30), [Pane(dict(of_other(built)))] * 30).baseline
    right = widths(built.task)
    kept = {name for name in found.pane.parts if name in right}
    assert kept == {name for name in built.pane.parts if name in right} > {"outcomes", "losses", "spread"}
    assert all(np.array_equal(found.pane.parts[name], built.pane.parts[name]) for name in kept)
    assert reference_of(found, STANDARD) == reference_of(built, STANDARD)


def test_a_window_is_compared_with_the_performance_of_the_baseline_as_it_is() -> None:
    built = judged("binary")
    reference = rolling_reference(built, Rolling("30d"), days(30), [Pane({"rows": np.full(3, 100.0)})] * 30)
    asked = replace(STANDARD, objectives=(read_objective("log_loss <= baseline + 0"),))
    window = ModelWindow(ModelKey("m", ""), window_of("1d", 0), built.pane)
    context = WindowContext(outcomes=WindowOutcomes(reference=built))
    found = judge_window(window, reference, context, ModelSettings(performance=asked))
    assert found.reference == reference_of(built, asked)
    metric = found.reference["log_loss"]
    assert metric.value is not None
    assert metric.low is not None
    assert metric.high is not None
    assert found.objectives[0].low == pytest.approx(-math.hypot(metric.value - metric.low, metric.high - metric.value))


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_over_the_bins_of_another_baseline_outcomes_keep_every_part(task: str) -> None:
    built = judged(task)
    found = rebin_baseline(judged(task, first=7), built)
    right = {name for name in built.pane.parts if name in widths(built.task)}
    assert right <= found.parts.keys()
    assert all(np.array_equal(found.parts[name], built.pane.parts[name]) for name in right)


def judged(task: str, first: int = 0) -> Baseline:
    rng = np.random.default_rng([3, first])
    score = rng.random((600, 3))
    score /= score.sum(axis=1, keepdims=True)
    frame: dict[str, object] = {"x": score[:, 0]}
    actual = {"binary": rng.random(600) < score[:, 0], "multiclass": rng.integers(0, 3, 600)}.get(
        task, score[:, 0] ** 2
    )
    own = score if task == "multiclass" else score[:, 0]
    classes = ["0", "1", "2"] if task == "multiclass" else None
    return Baseline.from_frame(frame, score=own, actual=actual, classes=classes, model="m", task=task)


def of_other(built: Baseline) -> dict[str, F64]:
    """The rows of a pane whose outcomes are known, too, as those of files are."""
    return {name: sums * 2 for name, sums in built.pane.parts.items()}


@pytest.mark.parametrize(
    ("name", "last"), [("1mo", "7d"), ("1mo", "14d"), ("1mo", "30d"), ("1w", "3d"), ("1d", "6h"), ("1h", "1h")]
)
def test_a_drifted_window_that_is_longer_than_the_reference_leaves_the_days_before_it(name: str, last: str) -> None:
    window = window_of(name, 400 * DAY)
    (before,) = [window_of(name, window.start - HOUR)]
    rolling = Rolling(last)
    found = rolling.periods(window, drifted=lambda _: [before])
    assert len(found.stretches) == len(rolling.stretches(window))
    assert all(one.end <= before.start for one in found.stretches)
    whole_year = rolling.periods(window, drifted=lambda _: [Window(name, 0, window.start)])
    assert whole_year == ReferencePeriods(rolling.stretches(window))
