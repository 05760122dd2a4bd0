"""Every data-quality check finds its planted fault, says so in one sentence, and is silent where nothing is wrong."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.baseline.sections.duplicate_rows import Counting, Recurrence, Repeats, fingerprints
from driftline.panes.fold import fold, fold_by
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64, PredictionTable
from driftline_processor.core.evaluation import Finding
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.quality.check import severity
from driftline_processor.core.quality.judge import ALPHA, CHECKS, quality
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.windows.window import Window
from driftline_processor.present.sentences.findings import finding_sentence
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.support.paths import ROOT
from tests.support.planted_faults import (
    PLANTED,
    REFERENCE,
    Frame,
    N,
    count_windows,
    customers,
    facts_of,
    judged,
    rows,
    some,
    table,
)


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_the_only_finding(fault: str) -> None:
    check, change, expected = PLANTED[fault]
    found = judged(change(rows(N, 7), np.random.default_rng(3)))
    assert [one.check for one in found] == [check]
    assert facts_of(found[0]) == expected
    assert found[0].p_value <= ALPHA


@pytest.mark.parametrize("fault", [fault for fault in PLANTED if fault != "beyond the greatest"])
def test_a_planted_fault_is_found_in_nine_of_ten_small_windows(fault: str) -> None:
    check, change, _ = PLANTED[fault]
    found = 0
    for seed in range(10):
        whole = change(rows(N, 100 + seed), np.random.default_rng(seed))
        drawn = np.random.default_rng(seed).permutation(N)[:600]
        if fault == "every row twice":
            drawn = np.concatenate([drawn[:300], (drawn[:300] + N // 2) % N])
        findings = judged({name: values[drawn] for name, values in whole.items()})
        found += [one.check for one in findings] == [check]
    assert found >= 9


@pytest.mark.parametrize("new", [3.0, 0.5])
@pytest.mark.parametrize(
    ("constant", "share", "severities"),
    [(0.99, 0.4, {"minor"}), (0.99, 0.7, {"critical"}), (1.0, 1.0, {"critical"}), (0.6, 0.4, {"major"})],
)
def test_a_new_value_of_a_nearly_constant_feature_is_minor_unless_most_rows_have_it(
    new: float, constant: float, share: float, severities: set[str]
) -> None:
    rng = np.random.default_rng(5)
    was = {"company": (rng.random(N) > constant).astype(float), "age": rng.normal(size=N)}
    now = {"company": np.where(rng.random(N) < share, new, 0.0), "age": rng.normal(size=N)}
    baseline = Baseline.from_frame(was, score=rng.random(N), model="m", task="binary", classes=(0, 1))

    window = table_from_frame(now, score=rng.random(N), model="m", task="binary", classes=(0, 1))[0]
    findings = quality(fold(window, baseline.bins), baseline)

    assert {one.severity for one in findings if one.check in ("unseen", "out_of_range")} == severities


@pytest.mark.parametrize(
    ("name", "value", "rows_with", "infinite", "far"),
    [
        ("age", np.inf, 1, 0.0005, 0.0),
        ("age", 1e308, 1, 0.0, 0.0005),
        ("share", -1e308, 3, 0.0, 0.0015),
        ("income", 1e9, 3, 0.0, 0.0),
        ("age", 1e5, 1, 0.0, 0.0),
    ],
)
def test_values_far_beyond_the_baseline_are_found_however_few(
    name: str, value: float, rows_with: int, infinite: float, far: float
) -> None:
    frame = some(rows(N, 7), name, rows_with, lambda v: np.full(len(v), value))
    assert [(one.check, one.severity, one.features, one.infinite, one.far) for one in judged(frame)] == (
        [("out_of_range", "minor", (name,), infinite, far)] if infinite or far else []
    )


def test_infinities_and_values_far_beyond_are_one_finding() -> None:
    strange = np.array([1e308] * 2 + [-1e308] * 2 + [-np.inf] * 2)
    [found] = judged(some(rows(N, 7), "age", 6, lambda _: strange))
    assert (found.features, found.infinite, found.far) == (("age",), 0.001, 0.002)


def test_infinities_that_the_baseline_had_are_nothing_new() -> None:
    had = some(rows(20_000, 1), "age", 2, lambda v: np.full(len(v), np.inf))
    baseline = Baseline.from_frame(had, score="score", model="m", task="binary")
    frame = some(rows(N, 7), "age", 1, lambda v: np.full(len(v), np.inf))
    assert judged(frame, baseline=baseline) == ()


def shuffled(frame: Frame, share: float, seed: int) -> Frame:
    """So many of the rows of another window, in another order, and new ones."""
    rng = np.random.default_rng(seed)
    old = rng.permutation(N)[: round(share * N)]
    new = rows(N - len(old), seed)
    return {name: np.concatenate([values[old], new[name]]) for name, values in frame.items()}


@pytest.mark.parametrize(("share", "severity"), [(1.0, "critical"), (0.6, "critical"), (0.2, "major"), (0.05, None)])
def test_rows_that_repeat_the_window_before_are_stale(share: float, severity: str | None) -> None:
    before, last = rows(N, 11), rows(N, 12)
    found = judged(shuffled(last, share, 13), (last, before))
    assert [(one.check, one.severity) for one in found] == ([] if severity is None else [("stale", severity)])
    if found:
        assert found[0].now == pytest.approx(share, abs=0.001)
        assert found[0].was == 0.0


def test_rows_that_have_always_repeated_are_no_news() -> None:
    before, last = rows(N, 11), rows(N, 12)
    assert judged(last, (last, last)) == ()
    assert judged(last, (last,)) == ()  # nobody knows whether they always have
    assert judged(rows(N, 13), (last, before)) == ()
    nightly = Baseline.from_frame(
        {name: np.tile(values, 5) for name, values in last.items()}, score="score", model="m", task="binary"
    )
    assert judged(last, (last, before), nightly) == ()


def visitors(n: int, seed: int, known: float) -> Frame:
    """Return visits of users, of whom a fraction has a history: the others differ by hour and device alone."""
    rng = np.random.default_rng(seed)
    has = rng.random(n) < known
    frame: Frame = {name: np.where(has, rng.normal(0, 1, n), 0.0) for name in ("affinity", "recency", "spend")}
    frame["hour"], frame["phone"] = rng.integers(0, 24, n) * 1.0, rng.integers(0, 2, n) * 1.0
    return frame | {"score": rng.random(n)}


def test_new_users_without_a_history_are_no_stale_feed() -> None:
    baseline = Baseline.from_frame(visitors(20_000, 1, 0.95), score="score", model="m", task="binary")
    before, last = (visitors(300, seed, 0.95) for seed in (2, 3))
    new = visitors(300, 4, 0.3)
    found = {one.check for one in judged(new, (visitors(300, 5, 0.3), last), baseline)}
    assert "stale" not in found
    assert [one.check for one in judged(last, (last, before), baseline)] == ["stale"]


def schedule(days: int, seed: int) -> Frame:
    """Days of a plan: the same trips at the same hours, in weather of their own, a few of them left out."""
    rng = np.random.default_rng(seed)
    plan = np.random.default_rng(0)
    trips = {"minute": plan.integers(300, 1_380, 900) * 1.0, "distance": plan.lognormal(6.5, 0.8, 900).round()}
    kept = np.concatenate([np.sort(rng.permutation(900)[:890]) for _ in range(days)])
    frame: Frame = {name: values[kept] for name, values in trips.items()}
    day = np.repeat(np.arange(days), 890)
    frame["temperature"] = rng.normal(10, 5, days)[day] + rng.normal(0, 2, len(day))
    return frame | {"score": rng.random(len(day)), "time": pd.Timestamp("2026-01-01") + pd.to_timedelta(day, unit="D")}


@pytest.mark.parametrize("dated", [True, False])
def test_planned_days_whose_shares_repeat_are_not_stale(dated: bool) -> None:
    known = schedule(14, 1)
    frame = known if dated else {name: values for name, values in known.items() if name != "time"}
    baseline = Baseline.from_frame(frame, score="score", time="time" if dated else None, model="m", task="binary")
    days = [{name: values for name, values in schedule(1, seed).items() if name != "time"} for seed in (21, 22, 23)]
    alike = [np.bincount(day["minute"].astype(np.int64) // 60) for day in days]
    assert np.abs(alike[0] - alike[1]).max() <= 5  # far closer than two samples are
    assert [one.check for one in judged(days[2], (days[1], days[0]), baseline)] == []
    stale = judged(days[1], (days[1], days[0]), baseline)
    assert [one.check for one in stale] == ["stale"]


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_keeps_the_contract(name: str) -> None:
    check = CHECKS[name]
    assert check.name == name
    assert check.title
    assert (check.find.__doc__ or "").strip()
    assert check.covers <= set(CHECKS)
    assert name not in check.covers
    assert name in {planted for planted, _, _ in PLANTED.values()} | {"stale"}
    empty = quality(Pane(), REFERENCE)
    assert empty == ()
    features = {**REFERENCE.bins.features}
    one_row = fold(table(rows(1, 5)), REFERENCE.bins)
    assert quality(one_row, REFERENCE, Repeats(1, 1), recurrences=[Recurrence(1, 1, 1), Recurrence(1, 0, 1)]) == ()
    missing = table({name: np.full(50, np.nan) for name in features} | {"score": np.random.default_rng(1).random(50)})
    assert {one.check for one in quality(fold(missing, REFERENCE.bins), REFERENCE)} == {"missing"}


@pytest.mark.slow
def test_no_more_quiet_windows_have_a_finding_than_was_promised() -> None:
    panes: list[Pane] = []
    counted: list[Counting] = []
    for size, windows in ((50, 400), (300, 400), (1_000, 200)):
        group = np.repeat(np.arange(windows), size)
        read = table(rows(size * windows, size))
        panes += fold_by(read, REFERENCE.bins, group, windows)
        counted += count_windows(read, windows)
    again = [None, *(one.recurrence(before) for before, one in pairwise(counted))]
    judged = [
        quality(pane, REFERENCE, counted[at].result(), recurrences=again[max(0, at - 1) : at + 1][::-1])
        for at, pane in enumerate(panes)
    ]
    with_findings = sum(bool(found) for found in judged)
    assert len(panes) == 1_000
    assert with_findings <= stats.binom.ppf(0.9999, len(panes), ALPHA)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(PLANTED)), st.integers(1, 5))
def test_adding_panes_is_checking_the_whole(seed: int, fault: str, pieces: int) -> None:
    rng = np.random.default_rng(seed)
    read = table(PLANTED[fault][1](rows(N, 7), rng))
    panes = fold_by(read, REFERENCE.bins, rng.integers(0, pieces, len(read)), pieces)
    assert quality(merge(panes), REFERENCE) == quality(fold(read, REFERENCE.bins), REFERENCE)


@pytest.mark.slow
def test_a_little_more_of_what_was_missing_is_no_finding_however_many_rows_there_are() -> None:
    def with_missing(n: int, seed: int, share: float) -> Frame:
        return some(rows(n, seed), "age", round(n * share), lambda v: np.full(len(v), np.nan))

    baseline = Baseline.from_frame(with_missing(100_000, 1, 0.019), score="score", model="m", task="binary")
    assert judged(with_missing(500_000, 2, 0.02), baseline=baseline) == ()
    assert [one.check for one in judged(with_missing(5_000, 2, 0.05), baseline=baseline)] == ["missing"]


def test_a_drift_of_the_values_is_no_fault_of_the_data() -> None:
    frame = rows(N, 7)
    assert judged({**frame, "age": frame["age"] + 6, "income": frame["income"] * 1.4}) == ()


def findings_by_key(rows: PredictionTable, baseline: Baseline, key: str) -> tuple[Finding, ...]:
    window = ModelWindow(rows.key, Window("", 0, 0), fold(rows, baseline.bins, key))
    return judge_window(window, Reference(baseline)).findings


@pytest.mark.slow
def test_a_key_tells_that_a_customer_lacks_a_value_in_all_of_its_rows() -> None:
    features = [f"x{at}" for at in range(5)]
    baseline = Baseline.from_frame(customers(1_000, 1), score="score", model="m", task="binary", features=features)
    found = {"": 0, "customer": 0}
    for seed in range(60):
        read = table(customers(50, 100 + seed))
        for key in found:
            found[key] += bool(findings_by_key(read, baseline, key))
    assert found["customer"] <= 1
    assert found[""] > 20  # what the key is for
    gone = customers(50, 7)
    gone["x0"][:400] = np.nan
    read = table(gone)
    findings = findings_by_key(read, baseline, "customer")
    assert [(one.check, one.features) for one in findings] == [("missing", ("x0",))]


def test_severity_goes_by_the_share_of_rows() -> None:
    assert [severity(share) for share in (0.01, 0.05, 0.49, 0.5)] == ["minor", "major", "major", "critical"]


def test_every_check_is_on_its_page() -> None:
    page = (ROOT / "docs" / "reference" / "data-quality.md").read_text(encoding="utf-8")
    assert [name for name in CHECKS if f"| `{name}` |" not in page] == []


ANYTHING = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 1.0, -1.0, 1e308, -1e308, 5e-324]),
    st.sampled_from(["a", "b", "12", "", "nan"]),
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(ANYTHING, ANYTHING), min_size=1, max_size=60),
    st.lists(st.tuples(ANYTHING, ANYTHING), min_size=1, max_size=60),
    st.sampled_from([1, 40]),
    st.sampled_from([None, 0.0, 2.5]),
)
def test_whatever_the_rows_are_judging_them_raises_nothing(
    reference: list[tuple[object, object]], window: list[tuple[object, object]], times: int, weight: float | None
) -> None:
    def read(pairs: list[tuple[object, object]]) -> PredictionTable:
        columns = {name: [row[at] for row in pairs] * times for at, name in enumerate("xy")}
        return table({**columns, "score": np.linspace(0, 1, len(pairs) * times)})

    baseline = Baseline.from_tables([read(reference)])
    now = read(window)
    if weight is not None:
        now.weight = np.full(len(now), weight)
    pane = fold(now, baseline.bins)
    counting = Counting()
    counting.add(fingerprints(now.features, baseline.bins.features, len(now)))
    again = (counting.recurrence(counting), Recurrence(1, 0, 1))
    for finding in quality(pane, baseline, counting.result(), recurrences=again):
        assert 0 <= finding.p_value <= ALPHA
        assert finding_sentence(finding)
        assert all(share is None or 0 <= share <= 1 for share in (finding.was, finding.now))


def test_every_share_is_what_pandas_counts() -> None:
    reference, rng = pd.DataFrame(rows(20_000, 1)), np.random.default_rng(2)
    window = pd.DataFrame(rows(3_000, 8))
    window.loc[rng.random(3_000) < 0.2, "age"] = np.nan
    window.loc[rng.random(3_000) < 0.1, "plan"] = "gold"
    window["share"] = window["share"].mask(rng.random(3_000) < 0.07, 5.0)
    window["height"] = window["height"].astype(object).mask(rng.random(3_000) < 0.3, "tall")
    low, high = reference["share"].quantile([0.001, 0.999])
    heights = pd.to_numeric(window["height"], errors="coerce")
    wanted = {
        "missing": ("age", reference["age"].isna().mean(), window["age"].isna().mean()),
        "unseen": ("plan", 0.0, (~window["plan"].isin(reference["plan"].unique())).mean()),
        "out_of_range": (
            "share",
            ((reference["share"] < low) | (reference["share"] >= high)).mean(),
            ((window["share"] < low) | (window["share"] >= high)).mean(),
        ),
        "type_change": ("height", 0.0, heights.isna().mean()),
    }
    found = {one.check: one for one in judged({str(name): values.to_numpy() for name, values in window.items()})}
    assert found.keys() == wanted.keys()
    for check, (feature, was, now) in wanted.items():
        assert found[check].features == (feature,)
        assert found[check].was == pytest.approx(was, abs=1e-12)
        assert found[check].now == pytest.approx(now, abs=1e-12)


DAY = 86_400 * 10**9
START = 1_767_225_600 * 10**9  # 2026-01-01
ROWS = 1_000


def drawn(rng: np.random.Generator, count: int, absent: F64) -> dict[str, F64]:
    """Six numbers whose days differ by 0.02 of the variance; the first lacks so many of its values on each day."""
    frame = {}
    for at in range(6):
        level = math.sqrt(0.02) * np.repeat(rng.normal(size=count), ROWS)
        frame[f"n{at}"] = level + math.sqrt(0.98) * rng.normal(size=count * ROWS)
    frame["n0"][rng.random(count * ROWS) < np.repeat(absent, ROWS)] = np.nan
    return frame | {"score": rng.normal(size=count * ROWS)}


def findings(rng: np.random.Generator, before: F64, now: float) -> list[tuple[str, ...]]:
    frame = drawn(rng, len(before), before)
    time = START + np.arange(len(before) * ROWS) // ROWS * DAY
    baseline = Baseline.from_frame(frame | {"time": time}, score="score", time="time", model="m", task="regression")
    baseline = Baseline.from_json(baseline.to_json())
    table, *_ = table_from_frame(drawn(rng, 1, np.array([now])), score="score", model="m", task="regression")
    window = ModelWindow(table.key, Window("1d", START + 90 * DAY, START + 91 * DAY), fold(table, baseline.bins))
    return [one.features for one in judge_window(window, Reference(baseline)).findings if one.check == "missing"]


@pytest.mark.parametrize("days", [7, 14])
def test_a_tenth_that_goes_missing_is_found_beside_days_that_differ_in_level(days: int) -> None:
    rng = np.random.default_rng(days)
    found = [findings(rng, np.zeros(days), 0.1) for _ in range(3)]
    assert found == [[("n0",)]] * 3
    assert [findings(rng, np.zeros(days), 0.0) for _ in range(3)] == [[], [], []]


def test_a_share_that_differs_from_day_to_day_is_no_fault_of_the_next_day() -> None:
    rng = np.random.default_rng(3)
    before = np.clip(rng.normal(0.12, 0.05, 30), 0.01, None)
    assert findings(rng, before, 0.2) == []
    assert findings(rng, before, 0.6) == [("n0",)]
    assert findings(rng, np.full(30, 0.12), 0.2) == [("n0",)]


def chosen(frame: Frame, name: str, prefer: float, rng: np.random.Generator) -> Frame:
    """Return a quarter of the rows, of which those with large values are preferred."""
    values = frame[name]
    weight = np.exp(prefer * np.clip((values - values.mean()) / values.std(), -2, 2))
    at = rng.choice(len(values), len(values) // 4, p=weight / weight.sum())
    return {column: values[at] for column, values in frame.items()}


def test_other_rows_than_before_are_no_fault_of_wiring() -> None:
    rng, found = np.random.default_rng(8), []
    for seed in range(20):
        frame = rows(2_400, 400 + seed)
        window = chosen(frame, ("income", "visits", "share", "age")[seed % 4], (-1, 0.5)[seed % 2], rng)
        window["height"] = window["height"] + (seed % 3) * 5
        findings = quality(fold(table(window), REFERENCE.bins), REFERENCE)
        found += [one.check for one in findings if one.check not in ("out_of_range", "unseen")]
    assert found == []


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_one_value_is_no_change_of_unit(value: float) -> None:
    window = {**rows(N, 9), "share": np.full(N, value)}
    assert all(one.check != "unit_change" for one in quality(fold(table(window), REFERENCE.bins), REFERENCE))


def test_a_rotation_of_columns_of_which_two_are_similar_is_misplaced() -> None:
    def four(n: int, seed: int) -> Frame:
        rng = np.random.default_rng(seed)
        drawn = {"age": (42, 6), "temp": (12, 6), "price": (300, 50), "distance": (11, 9)}
        return {name: rng.normal(mean, spread, n) for name, (mean, spread) in drawn.items()} | {"score": rng.random(n)}

    baseline = Baseline.from_frame(four(5_000, 1), score="score", model="m", task="binary")
    window = four(800, 2)
    sources = {"age": "distance", "price": "age", "temp": "price", "distance": "temp"}
    window |= {name: window[source] for name, source in sources.items()}
    (finding,) = quality(fold(table(window), baseline.bins), baseline)
    assert (finding.check, finding.severity) == ("misplaced", "critical")
    assert dict(zip(finding.features, finding.sources, strict=True)) == sources


@pytest.mark.parametrize(
    ("factor", "spread", "severity"),
    [(1.5, 0.2, "minor"), (1 / 1.609344, 0.8, "minor"), (7.46, 0.5, "critical"), (100.0, 0.5, "critical")],
)
def test_a_factor_that_may_be_growth_or_other_rows_is_minor(factor: float, spread: float, severity: str) -> None:
    def trips(n: int, seed: int) -> Frame:
        rng = np.random.default_rng(seed)
        return {"distance": rng.lognormal(2.2, spread, n), "score": rng.random(n)}

    baseline = Baseline.from_frame(trips(20_000, 1), score="score", model="m", task="binary")
    window = trips(3_000, 2)
    window["distance"] = window["distance"] * factor
    units = [one for one in quality(fold(table(window), baseline.bins), baseline) if one.check == "unit_change"]
    assert [(one.severity, one.units) for one in units] == [(severity, ("km to miles",) if factor < 1 else ())]


@pytest.mark.parametrize("colder", [-2.0, 0.0, 2.0])
def test_another_unit_is_found_on_days_that_differ_in_level(colder: float) -> None:
    rng = np.random.default_rng(5)
    before = {"temp": 12 + 7 * rng.normal(size=20_000), "score": rng.random(20_000)}
    baseline = Baseline.from_frame(before, score="score", model="m", task="binary")
    window = {"temp": 32 + 1.8 * (12 - colder + 7 * rng.normal(size=800)), "score": rng.random(800)}
    (finding,) = quality(fold(table(window), baseline.bins), baseline, designs={"temp": 20.0})
    assert (finding.check, finding.units, finding.severity) == ("unit_change", ("°C to °F",), "critical")
