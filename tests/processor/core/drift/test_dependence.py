"""Rows that resemble each other: by a cluster key, and by the baseline's own blocks of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.inputs.dataframes import column_of
from driftline.panes.fold import fold
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64
from driftline_processor.core.drift import drift
from driftline_processor.core.drift.dependence import (
    LIKELY,
    SURE,
    Design,
    chance_of_blocks,
    of_clusters,
    student_p_value,
)
from driftline_processor.core.drift.reference import Series, references
from driftline_processor.store.arrow_tables import take_predictions
from scipy import stats
from scipy.signal import lfilter

DAY = 86_400 * 10**9
START = 1_767_225_600 * 10**9  # 2026-01-01


def days(rng: np.random.Generator, effects: F64, rows: int, share: float) -> F64:
    """Values whose day accounts for a share of their variance: float64 (days * rows,)."""
    noise = rng.normal(size=(len(effects), rows))
    return (math.sqrt(share) * effects[:, np.newaxis] + math.sqrt(1 - share) * noise).ravel()


def dated(values: F64, rows: int) -> dict[str, Any]:
    time = START + np.arange(len(values)) // rows * DAY
    return {"x": values, "time": time, "score": values}


def baseline_of(frame: dict[str, Any]) -> Baseline:
    return Baseline.from_frame(frame, score="score", time="time", model="m", task="regression")


def window(values: F64, baseline: Baseline) -> Pane:
    table, *_ = table_from_frame({"x": values, "score": values}, score="score", model="m", task="regression")
    return fold(table, baseline.bins)


def undated(values: F64) -> Baseline:
    return Baseline.from_frame({"x": values, "score": values}, score="score", model="m", task="regression")


def keyed(values: F64, customers: Sequence[str | None], baseline: Baseline) -> Pane:
    table, *_ = table_from_frame({"x": values, "score": values}, score="score", model="m", task="regression")
    return fold(replace(table, slices={"customer": column_of(customers)}), baseline.bins, "customer")


def test_blocks_that_differ_by_chance_count_every_row() -> None:
    rng = np.random.default_rng(1)
    alike = [chance_of_blocks(rng.multinomial(500, np.full(10, 0.1), 60).astype(float)) for _ in range(5)]
    assert min(alike) > SURE
    assert chance_of_blocks(rng.multinomial(500, rng.dirichlet(np.full(10, 100.0), 60)).astype(float)) < 1e-10


def test_the_design_effect_of_days_is_the_variance_of_a_day_over_that_of_independent_rows() -> None:
    rng = np.random.default_rng(2)
    share, rows = 0.3, 400
    baseline = baseline_of(dated(days(rng, rng.normal(size=60), rows, share), rows))
    one = days(rng, np.zeros(1), rows, share)
    # at the median two rows of a day agree by asin(0.3) / (π / 2)
    expected = 1 + (rows - 1) * math.asin(share) / (math.pi / 2)
    day = drift(window(one, baseline), baseline, span=DAY).features["x"].design_effect
    assert day == pytest.approx(expected, rel=0.35)
    week = drift(window(np.tile(one, 7), baseline), baseline, span=7 * DAY).features["x"].design_effect
    assert 0.5 * expected < week < 2.5 * expected  # a few of the days that these may last for, and all of their rows


def test_a_window_without_a_time_is_as_long_as_its_rows_took_in_the_baseline() -> None:
    rng = np.random.default_rng(14)
    baseline = baseline_of(dated(days(rng, rng.normal(size=60), 200, 0.5), 200))
    week = window(days(rng, rng.normal(size=7), 200, 0.5), baseline)
    said, unsaid, short = (drift(week, baseline, span=span * DAY).features["x"] for span in (7, 0, 1))
    assert (said.state, said.design_effect) == (unsaid.state, unsaid.design_effect)
    assert short.design_effect > 2 * said.design_effect


@pytest.mark.parametrize("alike", [0.1, 0.5, 0.9])
def test_the_design_effect_of_clusters_is_that_of_kish(alike: float) -> None:
    rng = np.random.default_rng(3)
    found = []
    for _ in range(40):
        shares = rng.dirichlet(np.array([0.6, 0.3, 0.1]) * (1 - alike) / alike, 200)
        counts = np.stack([rng.multinomial(20, share) for share in shares]).astype(float)
        found.append(of_clusters(counts, None, 1e9, ordered=False).effect)
    assert np.median(found) == pytest.approx(1 + 19 * alike, rel=0.15)


def test_a_reference_with_clusters_of_its_own_counts_them() -> None:
    rng = np.random.default_rng(4)
    window_groups = rng.multinomial(20, [0.5, 0.5], 64).astype(float)
    same = np.repeat([[200.0, 0.0], [0.0, 200.0]], 32, axis=0)
    without = of_clusters(window_groups, None, 12_800, ordered=True)
    known = of_clusters(window_groups, same, 12_800, ordered=True)
    assert known.effect > 5 * without.effect


def test_a_p_value_has_the_tails_of_students_t() -> None:
    z = stats.norm.isf(0.0005)
    assert student_p_value(0.001, 20) == pytest.approx(2 * stats.t.sf(z, 20))
    assert student_p_value(0.001, math.inf) == 0.001
    assert (student_p_value(0.0, 5), student_p_value(1.0, 5)) == (0.0, 1.0)


def test_one_group_says_nothing() -> None:
    one = np.array([[5.0, 5.0], [0.0, 0.0]])
    assert chance_of_blocks(one[:1]) == 1.0
    assert of_clusters(one, None, 10, ordered=True) == Design(10.0)


@pytest.mark.parametrize("ordered", [False, True])
def test_a_feature_of_one_value_does_not_vary_between_customers(ordered: bool) -> None:
    customers = np.array([[200.0, 0.0], [300.0, 0.0], [250.0, 0.0]])
    assert of_clusters(customers, None, 1e4, ordered=ordered).effect == 1.0


@pytest.mark.parametrize("alike", [0.3, 0.9])
@pytest.mark.parametrize("others", [0, 20])
def test_rows_of_one_customer_are_too_few_however_many(alike: float, others: int) -> None:
    rng = np.random.default_rng(6)
    baseline = undated(rng.normal(size=5_000))
    customers = ["anna"] * (1_000 - others) + ["bert"] * others
    states = set()
    for _ in range(10):
        own = np.repeat(rng.normal(size=2), [1_000 - others, others])
        values = math.sqrt(alike) * own + math.sqrt(1 - alike) * rng.normal(size=1_000)
        states.add(drift(keyed(values, customers, baseline), baseline).features["x"].state)
    assert states == {"cannot_tell"}


def test_rows_without_a_key_are_judged_beside_a_few_of_one_customer() -> None:
    rng = np.random.default_rng(7)
    baseline = undated(rng.normal(size=5_000))
    customers = ["anna"] * 20 + [None] * 980
    found = drift(keyed(rng.normal(size=1_000), customers, baseline), baseline).features["x"]
    assert (found.state, found.design_effect) == ("ok", 1.0)


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_a_day_among_days_that_differ_is_no_drift_and_a_week_elsewhere_is(share: float) -> None:
    rng = np.random.default_rng(5)
    alarms = blind = 0
    for _ in range(12):
        baseline = baseline_of(dated(days(rng, rng.normal(size=60), 200, share), 200))
        for _ in range(5):
            found = drift(window(days(rng, rng.normal(size=1), 200, share), baseline), baseline, span=DAY)
            alarms += found.features["x"].state == "drift"
            blind += found.features["x"].state == "cannot_tell"
            assert found.features["x"].design_effect > 3
            low, high = found.features["x"].blocks or (0.0, 0.0)
            assert 0 <= low < high
    assert (alarms, blind) == (0, 0)
    moved = days(rng, rng.normal(size=7) + 3, 200, share)
    assert drift(window(moved, baseline), baseline, span=7 * DAY).features["x"].state == "drift"


def test_independent_rows_with_a_time_keep_all_their_power() -> None:
    rng = np.random.default_rng(6)
    baseline = baseline_of(dated(rng.normal(size=12_000), 200))
    x = drift(window(rng.normal(0.3, 1, 1_000), baseline), baseline, span=5 * DAY).features["x"]
    assert (x.state, x.design_effect, x.blocks) == ("drift", 1.0, None)


def test_the_rows_of_one_customer_count_for_what_they_are_worth() -> None:
    rng = np.random.default_rng(7)
    values = rng.normal(size=20_000)
    frame = {"x": values, "score": values}
    baseline = Baseline.from_frame(frame, score="score", model="m", task="regression")
    known = plain = 0
    for _ in range(60):
        effects = rng.normal(size=50)
        drawn = days(rng, effects, 20, 0.5)
        table, *_ = table_from_frame({"x": drawn, "score": drawn}, score="score", model="m", task="regression")
        table = replace(table, slices={"customer": column_of(np.repeat([f"c{one}" for one in range(50)], 20))})
        first, second = (
            fold(take_predictions(table, half), baseline.bins, "customer")
            for half in np.array_split(rng.permutation(1_000), 2)  # of each customer some rows in each pane
        )
        known += drift(merge([first, second]), baseline).features["x"].state == "drift"
        plain += drift(fold(table, baseline.bins), baseline).features["x"].state == "drift"
    assert plain > 12  # four in ten quiet windows
    assert known <= 2


def test_values_are_those_of_all_rows_and_the_p_value_of_what_they_are_worth() -> None:
    rng = np.random.default_rng(8)
    baseline = baseline_of(dated(days(rng, rng.normal(size=60), 200, 0.5), 200))
    pane = window(rng.normal(0.5, 1, 200), baseline)
    blockless = replace(baseline, extras=replace(baseline.extras, blocks=None))
    with_blocks, without = drift(pane, baseline).features["x"], drift(pane, blockless).features["x"]
    for name in ("ks", "psi", "js"):
        assert with_blocks.methods[name].value == without.methods[name].value
    p, alone = with_blocks.methods["ks"].p_value, without.methods["ks"].p_value
    assert p is not None
    assert alone is not None
    assert alone < 1e-4 < 0.1 < p


def test_two_weeks_of_days_tell_less_of_a_week_than_two_months_do_and_say_so() -> None:
    rng = np.random.default_rng(11)
    states: dict[int, list[str]] = {14: [], 60: []}
    for count, seen in states.items():
        for _ in range(8):
            baseline = baseline_of(dated(days(rng, rng.normal(size=count), 150, 0.5), 150))
            week = days(rng, rng.normal(size=7) + 4, 150, 0.5)
            seen.append(drift(window(week, baseline), baseline, span=7 * DAY).features["x"].state)
    assert set(states[60]) == {"drift"}
    assert set(states[14]) == {"drift", "cannot_tell"}  # never "ok"


def family(rng: np.random.Generator, features: int, days_of_it: int) -> Callable[[float], list[str]]:
    """A week or more of features whose days differ slightly; return what judges one more day, its first one moved."""
    names = [f"x{at}" for at in range(features)]

    def drawn(count: int) -> dict[str, F64]:
        return {name: days(rng, rng.normal(size=count), 300, 0.02) for name in names}

    known = drawn(days_of_it)
    frame = dated(known["x0"], 300) | known
    baseline = Baseline.from_frame(
        frame, features=names, score="score", time="time", model="m", task="regression", version="1"
    )
    day = drawn(1)

    def judge(shift: float) -> list[str]:
        moved = day | {"x0": day["x0"] + shift, "score": day["x0"]}
        table, *_ = table_from_frame(moved, score="score", model="m", task="regression")
        found = drift(fold(table, baseline.bins), baseline, span=DAY).features
        return [found[name].state for name in names]

    return judge


@pytest.mark.slow
@pytest.mark.parametrize("features", [1, 10, 20])
def test_a_shift_among_features_whose_days_differ_slightly_is_never_passed_over(features: int) -> None:
    rng = np.random.default_rng(17 + features)
    order = {"ok": 0, "cannot_tell": 1, "drift": 2}
    last: list[str] = []
    others: list[str] = []
    for days_of_it in (7, 7, 7, 14):
        judge = family(rng, features, days_of_it)
        states = [judge(shift) for shift in (0.0, 0.5, 1.0, 2.0, 3.0, 4.0)]
        first = [order[state[0]] for state in states]
        assert first == sorted(first)  # a larger shift is no smaller news
        assert "ok" not in (states[-2][0], states[-1][0])
        last.append(states[-1][0])
        others += [state for found in states for state in found[1:]] + [states[0][0]]
    assert last.count("drift") >= 3
    assert "drift" not in others


def test_days_of_one_feature_say_that_those_of_another_may_differ() -> None:
    rng = np.random.default_rng(31)
    names = [f"x{at}" for at in range(10)]
    doubtful: list[str] = []
    while not doubtful:
        known = {name: days(rng, rng.normal(size=7), 300, 0.02) for name in names}
        frame = dated(rng.normal(size=7 * 300), 300) | known
        baseline = Baseline.from_frame(frame, features=names, score="score", time="time", model="m", task="regression")
        blocks = baseline.extras.blocks
        assert blocks is not None
        chances = {name: chance_of_blocks(Series.of(blocks, f"feature:{name}").counts, ordered=True) for name in names}
        doubtful = [name for name, chance in chances.items() if SURE < chance <= LIKELY]
    alone = Baseline.from_frame(frame, features=doubtful[:1], score="score", time="time", model="m", task="regression")
    with_blocks = [
        {one.name for one in references(one_baseline) if one.blocks is not None} for one_baseline in (alone, baseline)
    ]
    assert [doubtful[0] in found for found in with_blocks] == [False, True]


def test_a_label_that_no_day_has_is_news_however_much_days_differ() -> None:
    rng = np.random.default_rng(15)
    values = np.where(days(rng, rng.normal(size=30), 200, 0.1) > 0, "yes", "no")
    frame = dated(np.zeros(len(values)), 200) | {"x": values}
    baseline = baseline_of(frame)
    states = []
    for new in (0, 100):
        x = np.array(["yes"] * 100 + ["no"] * 100 + ["never"] * new)
        table, *_ = table_from_frame({"x": x, "score": np.zeros(len(x))}, score="score", model="m", task="regression")
        found = drift(fold(table, baseline.bins), baseline, span=DAY).features["x"]
        assert found.blocks is not None
        states.append(found.state)
    assert states == ["ok", "drift"]


def test_an_hour_is_judged_by_how_much_the_hours_of_a_day_differ() -> None:
    rng = np.random.default_rng(16)
    hours = lfilter([1.0], [1.0, -0.5], rng.normal(size=24 * 31) * math.sqrt(1 - 0.5**2))
    values = days(rng, hours, 60, 0.5)
    frame = {"x": values, "time": START + np.arange(len(values)) // 60 * DAY // 24, "score": values}
    known = baseline_of({name: column[: 30 * 24 * 60] for name, column in frame.items()})
    blocks = known.extras.blocks
    assert blocks is not None
    assert blocks.within is not None
    assert (blocks.within.length, len(blocks.within.starts)) == (DAY // 24, 30)
    assert Baseline.from_json(known.to_json()).to_json() == known.to_json()
    unknown = replace(known, extras=replace(known.extras, blocks=replace(blocks, within=None)))
    alarms = {"known": 0, "unknown": 0}
    for at in range(24):
        pane = window(values[(30 * 24 + at) * 60 :][:60], known)
        for name, baseline in (("known", known), ("unknown", unknown)):
            alarms[name] += drift(pane, baseline, span=DAY // 24).features["x"].state == "drift"
    assert alarms["known"] == 0
    assert alarms["unknown"] > 0


def test_a_window_beyond_all_that_the_baseline_holds_is_drift_whatever_its_days_do() -> None:
    rng = np.random.default_rng(12)
    lasting = np.cumsum(rng.normal(size=14)) / 2  # fourteen days that wander: they exclude hardly any other level
    baseline = baseline_of(dated(days(rng, lasting, 200, 0.8), 200))
    known = np.asarray(baseline.bins.features["x"].edges) if hasattr(baseline.bins.features["x"], "edges") else None
    assert known is not None
    record = drift(window(known[-1] + rng.random(200), baseline), baseline).features["x"]
    assert (record.state, record.size) == ("drift", "large")
    inside = drift(window(known[-1] - rng.random(200), baseline), baseline).features["x"]
    assert inside.state != "drift"
