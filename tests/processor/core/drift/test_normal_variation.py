"""What the reference's own windows do by themselves: days that differ, persist, and are few."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from driftline_processor.core.drift.normal_variation import (
    KEPT,
    ScoreFunctions,
    fit_kept_shares,
    mean_variance,
    moderate_variances,
    own_windows,
    series_factors,
)
from driftline_processor.core.drift.rule import SEEN, drift
from driftline_processor.core.evaluation import ColumnDrift
from scipy.signal import lfilter
from scipy.special import ndtr

from tests.support.unwrap import unwrap

DAY = 86_400 * 10**9
START = 1_767_225_600 * 10**9  # 2026-01-01


def days(rng: np.random.Generator, effects: F64, rows: int, share: float) -> F64:
    """Values whose day accounts for a share of their variance: float64 (days * rows,)."""
    noise = rng.normal(size=(len(effects), rows))
    return (math.sqrt(share) * effects[:, np.newaxis] + math.sqrt(1 - share) * noise).ravel()


def baseline_of(columns: dict[str, Any], rows: int) -> Baseline:
    first = next(iter(columns.values()))
    time = START + np.arange(len(first)) // rows * DAY
    frame = columns | {"time": time, "score": np.random.default_rng(0).normal(size=len(first))}
    return Baseline.from_frame(frame, score="score", time="time", model="m", task="regression")


def window(columns: dict[str, Any], baseline: Baseline) -> Pane:
    first = next(iter(columns.values()))
    frame = columns | {"score": np.random.default_rng(1).normal(size=len(first))}
    table, *_ = table_from_frame(frame, score="score", model="m", task="regression")
    return fold(table, baseline.bins)


def judged(values: F64, baseline: Baseline, span: int = DAY) -> ColumnDrift:
    return drift(window({"x": values}, baseline), baseline, span=span).features["x"]


def test_the_level_is_the_shift_of_a_normal_feature() -> None:
    edges = np.array([-1.0, -0.3, 0.4, 1.2])
    functions = ScoreFunctions.of(1e6 * np.diff(ndtr(edges), prepend=0, append=1)[np.newaxis], np.array([True]))
    for shift in (-2.0, -0.5, 0.0, 1.0, 2.5):
        counts = 1e6 * np.diff(ndtr(edges - shift), prepend=0, append=1)
        found = functions.scores(counts[np.newaxis], np.zeros(1))[0]
        assert found[0] == pytest.approx(shift, abs=1e-3)
        assert found[1:] == pytest.approx(0, abs=1e-3)  # nothing is left beyond the shift


def test_polynomials_are_orthonormal_and_each_part_of_the_level_of_a_test_is_given_once() -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 50, (6, 7)).astype(float)
    counts[2, 3:] = 0
    counts[4, 2:] = 0
    counts[5, 1:] = 0
    functions = ScoreFunctions.of(counts, np.array([True, True, True, False, False, False]))
    for at in range(3):
        spread, skew = functions.polynomials[1, at], functions.polynomials[2, at]
        whole = functions.fractions[at]
        products = [(one * other * whole).sum() for one, other in ((spread, spread), (spread, skew), (skew, skew))]
        if at < 2:
            assert products == pytest.approx([1, 0, 1], abs=1e-9)
        assert abs((spread * functions.polynomials[0, at] * whole).sum()) < 1e-9
    assert (functions.weight.sum(axis=1) <= 1 + 1e-12).all()
    assert functions.weight.sum(axis=1)[:5] == pytest.approx(np.ones(5))
    assert functions.weight[5].sum() == pytest.approx(0.1)  # one value alone: only what is new


def test_a_series_that_keeps_nothing_has_the_factors_of_independent_blocks() -> None:
    found = series_factors(np.array([0.0, 0.5, 0.9]), 14.0)
    assert [float(one[0]) for one in found] == pytest.approx([1, 1 / 14])
    drawn = lfilter([1.0], [1.0, -0.9], np.random.default_rng(3).normal(size=(100, 40_000)), axis=0)[-14:]
    variance = 1 / (1 - 0.81)
    assert drawn.var(axis=0, ddof=1).mean() / variance == pytest.approx(found.variance[2], rel=0.02)
    assert drawn.mean(axis=0).var() / variance == pytest.approx(found.mean[2], rel=0.02)
    assert mean_variance(np.array([0.9]), 14.0)[0] == pytest.approx(found.mean[2], rel=0.03)


def test_how_likely_series_are_is_the_likelihood_beside_an_unknown_mean_also_with_days_that_lack() -> None:
    rng = np.random.default_rng(4)
    place = np.array([0, 1, 2, 5, 6, 9, 10, 11, 30])
    series, signal = rng.normal(0.3, 1.0, (9, 2, 2)), rng.uniform(0.0, 1.0, (len(KEPT), 2, 2))
    series[:, 1, 1] = 0.0  # says nothing
    found = fit_kept_shares(series, place, signal)
    for at, keeps in enumerate(KEPT):
        together = keeps ** np.abs(np.subtract.outer(place, place))
        for one in np.ndindex(2, 2):
            kept, values = signal[at][one], series[(slice(None), *one)]
            inverse = np.linalg.inv(kept * together + (1 - kept) * np.eye(9))
            told = inverse.sum()
            squares = values @ inverse @ values - (inverse.sum(axis=0) @ values) ** 2 / told
            likely = 0.5 * np.linalg.slogdet(inverse)[1] - 0.5 * np.log(told) - 4 * np.log(squares or 1.0)
            assert found.fit[at][one] == pytest.approx(0.0 if one == (1, 1) else likely, rel=1e-9)


def test_variances_are_shrunk_by_as_much_as_they_do_not_differ() -> None:
    rng = np.random.default_rng(5)
    alike, freedom = moderate_variances(rng.chisquare(6, 200) / 6, np.full(200, 6.0))
    assert alike.std() < 0.1
    assert freedom.min() > 50
    spread, own = moderate_variances(rng.chisquare(6, 200) / 6 * rng.choice([0.1, 10.0], 200), np.full(200, 6.0))
    assert own.max() < 10
    assert spread.min() < 0.2 < 5 < spread.max()
    alone, known = moderate_variances(np.array([3.0]), np.array([6.0]))
    assert (alone.tolist(), known.tolist()) == ([3.0], [6.0])


def test_a_few_variances_that_look_alike_are_not_taken_for_equal() -> None:
    _, freedom = moderate_variances(np.array([1.0, 1.0]), np.array([6.0, 6.0]))
    assert 6 < freedom[0] < 20


@pytest.mark.parametrize(("share", "far"), [(0.5, 3.0), (0.1, 2.0)])
def test_a_day_among_days_that_differ_is_no_drift_and_a_week_elsewhere_is(share: float, far: float) -> None:
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(12):
        baseline = baseline_of({"x": days(rng, rng.normal(size=60), 200, share)}, 200)
        for _ in range(5):
            found = judged(days(rng, rng.normal(size=1), 200, share), baseline)
            alarms += found.state == "drift"
            assert found.state in ("ok", "within_normal_variation", "drift") or (found.size, found.reason) == (
                "large",
                "too_few_rows",
            )
            assert found.design_effect > 3
            assert unwrap(found.alike)[1] == 60
            assert found.size != "large" or found.state != "ok"
    assert alarms <= 1
    moved = days(rng, rng.normal(size=7) + far / math.sqrt(share), 200, share)
    assert judged(moved, baseline, 7 * DAY).state == "drift"


def test_a_large_distance_that_days_have_by_themselves_is_usual_and_says_how_many() -> None:
    rng = np.random.default_rng(8)
    baseline = baseline_of({"x": days(rng, rng.normal(size=60), 200, 0.5)}, 200)
    found = judged(days(rng, np.array([1.0]), 200, 0.5), baseline)
    assert (found.state, found.size) == ("within_normal_variation", "large")
    assert 5 < unwrap(found.alike)[0] < 40
    assert unwrap(found.p_normal_variation) > 0.05
    p = unwrap(found.methods["ks"].p_value)
    assert p < 1e-6
    assert found.blocks is not None
    assert found.blocks[0] < 0.3 < 1 < found.blocks[1]


def test_nothing_is_taken_off_the_distance() -> None:
    rng = np.random.default_rng(9)
    baseline = baseline_of({"x": days(rng, rng.normal(size=60), 200, 0.5)}, 200)
    pane = window({"x": rng.normal(0.5, 1, 200)}, baseline)
    blockless = replace(baseline, extras=replace(baseline.extras, blocks=None))
    dated, undated = (drift(pane, one).features["x"] for one in (baseline, blockless))
    assert (dated.effect, dated.size, dated.methods) == (undated.effect, undated.size, undated.methods)
    assert (undated.state, undated.p_normal_variation, undated.alike) == ("drift", None, None)


def test_independent_rows_with_a_time_keep_their_power() -> None:
    rng = np.random.default_rng(6)
    baseline = baseline_of({"x": rng.normal(size=12_000)}, 200)
    found = judged(rng.normal(0.3, 1, 1_000), baseline, 5 * DAY)
    assert found.state == "drift"
    assert found.design_effect < 1.5
    assert found.detectable_change == pytest.approx(0.15, abs=0.05)


def test_two_weeks_hold_too_few_weeks_to_say_what_is_usual() -> None:
    rng = np.random.default_rng(11)
    for _ in range(3):
        baseline = baseline_of({"x": days(rng, rng.normal(size=14), 150, 0.5)}, 150)
        far, near = (judged(days(rng, rng.normal(size=7) + moved, 150, 0.5), baseline, 7 * DAY) for moved in (2.5, 0.5))
        assert (far.state, far.reason, far.size, far.p_normal_variation, far.alike) == (
            "drift",
            "too_few_days",
            "large",
            None,
            None,
        )
        assert near.state != "ok" or near.effect is None or near.effect < 0.1
    known = baseline_of({"x": days(rng, rng.normal(size=60), 150, 0.5)}, 150)
    found = judged(days(rng, rng.normal(size=7) + 4, 150, 0.5), known, 7 * DAY)
    assert (found.state, found.reason) == ("drift", "")
    assert found.alike == (0, 9)


def test_a_window_without_a_time_is_as_long_as_its_rows_took_in_the_baseline() -> None:
    rng = np.random.default_rng(14)
    baseline = baseline_of({"x": days(rng, rng.normal(size=60), 200, 0.5)}, 200)
    week = days(rng, rng.normal(size=7), 200, 0.5)
    said, unsaid, short = (judged(week, baseline, span * DAY) for span in (7, 0, 1))
    assert (said.state, said.p_normal_variation, said.detectable_change) == (
        unsaid.state,
        unsaid.p_normal_variation,
        unsaid.detectable_change,
    )
    assert unwrap(short.detectable_change) > 1.5 * unwrap(said.detectable_change)


def family(rng: np.random.Generator, features: int, count: int, share: float) -> Callable[[float], list[ColumnDrift]]:
    """Days of features that differ slightly; return what judges one more day, its first feature moved."""
    names = [f"x{at}" for at in range(features)]

    def drawn(count: int) -> dict[str, F64]:
        return {name: days(rng, rng.normal(size=count), 300, share) for name in names}

    known, day = drawn(count), drawn(1)
    baseline = baseline_of(known, 300)
    away = math.copysign(1.0, day["x0"].mean() - known["x0"].mean())

    def judge(shift: float) -> list[ColumnDrift]:
        found = drift(window(day | {"x0": day["x0"] + away * shift}, baseline), baseline, span=DAY).features
        return [found[name] for name in names]

    return judge


ORDER = {"ok": 0, "inconclusive": 1, "within_normal_variation": 2, "drift": 3}


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.02, 0.2])
@pytest.mark.parametrize("features", [1, 10, 40])
def test_a_larger_shift_is_never_smaller_news(features: int, share: float) -> None:
    rng = np.random.default_rng(17 + features)
    quiet: list[str] = []
    last: list[str] = []
    for count in (3, 7, 14, 30):
        judge = family(rng, features, count, share)
        found = [judge(shift) for shift in (0.0, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)]
        first = [columns[0] for columns in found]
        ranks = [ORDER[column.state] for column in first]
        assert ranks == sorted(ranks)
        assert all(column.state != "ok" for column in first if column.size == "large")
        for column in first:
            assert column.state != "ok" or (column.detectable_change or math.inf) <= max(SEEN, 6 * math.sqrt(share))
        last.append(first[-1].state)
        quiet += [column.state for column in found[0] if not column.reason]
    assert set(last) == {"drift"}
    assert quiet.count("drift") <= 1


@pytest.mark.slow
def test_ten_features_and_a_week_find_one_sigma() -> None:
    rng = np.random.default_rng(23)
    found = [family(rng, 10, 7, 0.02)(1.0)[0] for _ in range(20)]
    assert sum(column.state == "drift" for column in found) >= 15
    assert all(column.state in ("drift", "within_normal_variation") for column in found)


@pytest.mark.slow
def test_what_would_have_been_seen_is_what_is_found() -> None:
    rng = np.random.default_rng(29)
    judge = family(rng, 5, 30, 0.02)
    seen = unwrap(judge(0.0)[1].detectable_change)
    assert 0.4 < seen < 0.8
    found = {factor: [family(rng, 5, 30, 0.02)(factor * seen)[0].state for _ in range(8)] for factor in (0.4, 1.8)}
    assert found[0.4].count("drift") <= 2
    assert found[1.8].count("drift") >= 6


def test_a_label_that_no_day_has_is_news_however_much_days_differ() -> None:
    rng = np.random.default_rng(15)
    baseline = baseline_of({"x": np.where(days(rng, rng.normal(size=30), 200, 0.1) > 0, "yes", "no")}, 200)
    states = []
    for new in (0, 100):
        x = np.array(["yes"] * 100 + ["no"] * 100 + ["never"] * new)
        states.append(drift(window({"x": x}, baseline), baseline, span=DAY).features["x"].state)
    assert states == ["ok", "drift"]


def test_a_value_that_comes_in_the_middle_is_found_beside_days_that_differ_in_level() -> None:
    rng = np.random.default_rng(19)
    baseline = baseline_of({"x": days(rng, rng.normal(size=30), 500, 0.1)}, 500)
    day = days(rng, np.zeros(1), 500, 0.1)
    day[:150] = 0.05  # the mean of all, where level and skew do not see it
    assert judged(day, baseline).state == "drift"


def test_an_hour_is_judged_by_how_much_the_hours_of_a_day_differ() -> None:
    rng = np.random.default_rng(16)
    hours = lfilter([1.0], [1.0, -0.5], rng.normal(size=24 * 31) * math.sqrt(1 - 0.5**2))
    values = days(rng, hours, 60, 0.5)
    time = START + np.arange(len(values)) // 60 * DAY // 24
    known = {name: column[: 30 * 24 * 60] for name, column in {"x": values, "time": time, "score": values}.items()}
    baseline = Baseline.from_frame(known, score="score", time="time", model="m", task="regression")
    blocks = unwrap(baseline.extras.blocks)
    assert blocks.shorts is not None
    assert (blocks.shorts.length, len(blocks.shorts.starts)) == (DAY // 24, 30)
    assert Baseline.from_json(baseline.to_json()).to_json() == baseline.to_json()
    unknown = replace(baseline, extras=replace(baseline.extras, blocks=replace(blocks, shorts=None)))
    alarms = {"known": 0, "unknown": 0}
    for at in range(24):
        hour = values[(30 * 24 + at) * 60 :][:60]
        for name, one in (("known", baseline), ("unknown", unknown)):
            alarms[name] += judged(hour, one, DAY // 24).state == "drift"
    assert alarms["known"] == 0
    assert alarms["unknown"] > 0


def test_a_window_beyond_all_that_the_baseline_holds_is_drift_whatever_its_days_do() -> None:
    rng = np.random.default_rng(12)
    lasting = np.cumsum(rng.normal(size=14)) / 2  # fourteen days that wander: they exclude hardly any other level
    baseline = baseline_of({"x": days(rng, lasting, 200, 0.8)}, 200)
    edges = np.asarray(getattr(baseline.bins.features["x"], "edges"))  # noqa: B009
    record = judged(edges[-1] + rng.random(200), baseline)
    assert (record.state, record.size) == ("drift", "large")
    assert judged(edges[-1] - rng.random(200), baseline).state != "ok"


def test_blocks_of_few_rows_are_no_days_of_their_own() -> None:
    rng = np.random.default_rng(21)
    rows = np.array([3, *[500] * 14, 5])
    day = np.repeat(np.arange(16), rows)
    effects = rng.normal(size=16)
    effects[[0, -1]] = 6  # three rows and five, far away
    x = math.sqrt(0.02) * effects[day] + math.sqrt(0.98) * rng.normal(size=len(day))
    frame = {"x": x, "time": START + day * DAY, "score": x}
    baseline = Baseline.from_frame(frame, score="score", time="time", model="m", task="regression")
    own = unwrap(own_windows(baseline))
    assert own.signal[0, own.parts["feature:x"], 0] == pytest.approx(0.02, abs=0.015)
