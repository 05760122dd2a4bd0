"""What is expected of the data is counted exactly from rows, and bounded truthfully from bins."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.baseline.sections.duplicate_rows import Repeats
from driftline.inputs.dataframes import column_of
from driftline.panes.fold import fold
from driftline.panes.pane import Pane, merge
from driftline.tables.table import Column, PredictionTable
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Expected
from driftline_processor.core.expectations.counting import count_rules
from driftline_processor.core.expectations.judge import RowFacts, judge_expectations
from driftline_processor.core.expectations.rule import Expectations, Limit, Rule, count_limit, share_limit
from driftline_processor.core.windows.window import Window
from hypothesis import given
from hypothesis import strategies as st

from tests.support.unwrap import of_type

HOUR = 3_600 * 10**9
WINDOW = Window("1h", 10 * HOUR, 11 * HOUR)
ROWS = [17.0, 18.5, -4.0, 130.0, math.nan, math.inf, "12", "none", "x"]


def expect(kind: Any, name: str = "x", limit: Limit | None = None, **what: Any) -> Rule:
    return Rule(kind, name, f"{kind}: {what}", limit or Limit(">=", 1.0), **what)


def column(values: list[object]) -> Column:
    labels = tuple(dict.fromkeys(value for value in values if isinstance(value, str)))
    return Column(
        np.array([value if isinstance(value, float) else math.nan for value in values]),
        np.array([labels.index(v) if isinstance(v, str) else -1 for v in values], dtype=np.int32),
        labels,
    )


def counted(rule: Rule, values: list[object]) -> list[float]:
    sums = count_rules({"x": column(values)}, Expectations(features={"x": (rule,)}), np.zeros(len(values), np.int64), 1)
    return list(sums[rule.part][0].tolist())


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (expect("range", low=0.0, high=100.0), lambda v: isinstance(v, float) and 0 <= v <= 100),
        (expect("range", low=18.0), lambda v: isinstance(v, float) and v >= 18),
        (expect("values", values=("17", "x", "12")), lambda v: v in (17.0, "x", "12")),
        (expect("not_values", values=("17", "x")), lambda v: v not in (17.0, "x")),
        (expect("type", type="number"), lambda v: isinstance(v, float) and math.isfinite(v)),
        (expect("type", type="whole"), lambda v: v in (17.0, -4.0, 130.0)),
        (expect("type", type="boolean"), lambda v: v in (0.0, 1.0)),
        (expect("type", type="text"), lambda v: isinstance(v, str)),
        (expect("length", low=2.0, high=4.0), lambda v: isinstance(v, str) and 2 <= len(v) <= 4),
        (expect("pattern", pattern="^[0-9]+$"), lambda v: v == "12"),
    ],
    ids=lambda value: value.kind if isinstance(value, Rule) else "",
)
def test_a_rule_counts_the_values_that_a_plain_loop_counts(rule: Rule, kept: Any) -> None:
    told = [value for value in ROWS if not (isinstance(value, float) and math.isnan(value))]
    assert counted(rule, ROWS) == [len(ROWS), len(told), sum(map(kept, told)), 0]


def test_means_and_ends_are_sums_too() -> None:
    values: list[object] = [3.0, 1.0, 8.0, math.nan]
    assert counted(expect("mean"), values) == [4, 3, 12, 74]
    assert counted(expect("min", low=1.0, high=2.0), values) == [4, 3, 0, 1]
    assert counted(expect("max", low=9.0, high=10.0), values) == [4, 3, 0, 0]


@given(st.lists(st.tuples(st.sampled_from([1.0, 2.5, -7.0, "a", "bb", None]), st.integers(0, 2)), max_size=30))
def test_adding_panes_is_counting_the_whole(rows: list[tuple[Any, int]]) -> None:
    values = [math.nan if value is None else value for value, _ in rows]
    group = np.array([at for _, at in rows], dtype=np.int64)
    rules = (expect("range", low=0.0, high=2.0), expect("values", values=("a", "1")), expect("mean"))
    wanted, features = Expectations(features={"x": rules}), {"x": column(values)}
    apart = count_rules(features, wanted, group, 3)
    whole = count_rules(features, wanted, np.zeros(len(rows), np.int64), 1)
    assert {part: sums.sum(axis=0).tolist() for part, sums in apart.items()} == {
        part: sums[0].tolist() for part, sums in whole.items()
    }


def frame(n: int = 1_000, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = np.round(rng.normal(45, 15, n), 1)
    age[: n // 50] = np.nan
    return pd.DataFrame({"age": age, "plan": rng.choice(["basic", "pro", "team"], n), "score": rng.random(n)})


BASELINE = Baseline.from_frame(frame(5_000, 2), score="score", model="m", task="binary")


def table(rows: pd.DataFrame) -> PredictionTable:
    return table_from_frame(rows, score="score", model="m", task="binary")[0]


def judged(rule: Rule, rows: pd.DataFrame, by_rows: bool = True, **beside: Any) -> Expected:
    read = table(rows)
    wanted = Expectations(features={rule.feature: (rule,)}) if rule.feature else Expectations((rule,))
    pane = fold(read, BASELINE.bins)
    if by_rows:
        sums = count_rules(read.features, wanted, np.zeros(len(read), np.int64), 1)
        pane = merge([pane, Pane({part: values[0] for part, values in sums.items()})])
    [found] = judge_expectations(wanted, RowFacts(**beside), pane, BASELINE, WINDOW)
    return found


def test_an_expectation_is_met_broken_or_not_to_be_told() -> None:
    rows = frame()
    assert judged(expect("missing", "age", Limit("<", 0.05)), rows).state == "met"
    broken = judged(expect("missing", "age", Limit("<", 0.02)), rows)
    assert (broken.state, broken.low, broken.high, broken.rows) == ("broken", 0.02, 0.02, 1_000)
    assert broken.measurement == facts.FractionOfValues(rule="missing", low=0.02, high=0.02)
    assert judged(expect("missing", "absent", Limit("<", 0.05)), rows).state == "broken"
    assert judged(expect("missing", "absent", Limit("<", 0.05)), rows, by_rows=False).state == "inconclusive"


@pytest.mark.parametrize("by_rows", [True, False])
@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (expect("range", "age", low=0.0, high=120.0), lambda rows: rows["age"].between(0, 120)),
        (expect("range", "age", low=30.0, high=50.0), lambda rows: rows["age"].between(30, 50)),
        (expect("range", "age", high=10.0), lambda rows: rows["age"] <= 10),
        (expect("values", "plan", values=("basic", "pro")), lambda rows: rows["plan"].isin(["basic", "pro"])),
        (expect("not_values", "plan", values=("team",)), lambda rows: rows["plan"] != "team"),
        (expect("type", "age", type="number"), lambda rows: rows["age"].notna()),
    ],
)
def test_a_share_is_what_pandas_counts_exactly_or_within_bounds(rule: Rule, kept: Any, by_rows: bool) -> None:
    rows = frame()
    truth = kept(rows)[rows[rule.feature].notna()].mean()
    found = judged(rule, rows, by_rows)
    assert found.low is not None
    assert found.high is not None
    if by_rows:
        assert found.low == found.high == pytest.approx(truth, abs=1e-12)
    assert found.low <= truth + 1e-12
    assert found.high >= truth - 1e-12
    assert found.high - found.low < 0.03  # two bins of a hundredth of the baseline each


def test_a_mean_and_a_deviation_are_those_of_pandas() -> None:
    rows = frame()
    mean = judged(expect("mean", "age", low=40.0, high=44.0), rows)
    assert mean.state == "broken"
    assert mean.low == pytest.approx(rows["age"].mean(), rel=1e-12)
    deviation = judged(expect("stddev", "age", high=16.0), rows)
    assert deviation.state == "met"
    assert deviation.low == pytest.approx(rows["age"].std(), rel=1e-9)
    flat = rows.assign(age=1e9)
    assert judged(expect("stddev", "age", high=16.0), flat).state == "inconclusive"


def test_the_least_and_the_greatest_need_no_minimum_in_the_pane() -> None:
    rows = frame().assign(age=np.arange(1_000.0) + 5)
    assert judged(expect("min", "age", low=0.0, high=5.0), rows).state == "met"
    assert judged(expect("min", "age", low=0.0, high=4.0), rows).state == "broken"
    above = facts.EndOfValues(end="max", rows=1_000.0, outside=1.0, within=1_000.0, low=None, high=1_003.0)
    assert judged(expect("max", "age", high=1_003.0), rows).measurement == above
    assert judged(expect("max", "age", low=1_004.0, high=1_004.0), rows).state == "met"


def test_rows_as_a_whole() -> None:
    rows = frame()
    assert judged(Rule("rows", "", "rows: >= 1000", count_limit(1_000)), rows).state == "met"
    assert judged(Rule("rows", "", "rows: >= 1001", count_limit(1_001)), rows).state == "broken"
    late = Rule("freshness", "", "freshness: 10m", Limit("<=", 600.0))
    assert judged(late, rows, newest=11 * HOUR - 60 * 10**9).state == "met"
    found = judged(late, rows, newest=10 * HOUR)
    assert (found.state, found.low) == ("broken", 3_600.0)
    assert judged(late, rows).state == "inconclusive"
    twice = Rule("duplicates", "", "duplicates: < 1%", share_limit("< 1%"))
    repeated = judged(twice, rows, repeats=Repeats(1_000, 980))
    assert repeated.low == pytest.approx(0.02)
    assert of_type(repeated.measurement, facts.FractionOfValues).rule == "duplicates"
    assert judged(twice, rows).state == "inconclusive"
    for name, reason in (("id", "no_feature"), ("age", "values_not_stored")):
        one = judged(expect("unique", name), rows)
        assert one.state == "inconclusive"
        assert one.measurement == facts.MeasurementUnknown(reason=reason)
    different = expect("unique", "plan")
    assert judged(different, rows, unique={"plan": Repeats(1_000, 3)}).state == "broken"
    assert judged(different, rows).state == "inconclusive"


@pytest.mark.parametrize(
    ("written", "limit"),
    [
        ("< 5%", Limit("<", 0.05)),
        ("<=0.05", Limit("<=", 0.05)),
        ("5 %", Limit("<=", 0.05)),
        (0, Limit("<=", 0.0)),
        (0.25, Limit("<=", 0.25)),
        ("== 0%", Limit("=", 0.0)),
        ("> 95%", Limit(">", 0.95)),
    ],
)
def test_a_share_is_written_as_people_write_it(written: object, limit: Limit) -> None:
    read = share_limit(written)
    assert read.operator == limit.operator
    assert read.number == pytest.approx(limit.number, rel=1e-15)


@pytest.mark.parametrize("written", ["many", "5 to 6%", "", None, True, "-5%", "120%", 5])
def test_what_is_no_share_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"use|put|list|add|remove"):
        share_limit(written)


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(["<", "<=", ">", ">=", "="]), st.floats(0, 1))
def test_a_verdict_holds_for_every_value_between_the_bounds(low: float, high: float, sign: Any, number: float) -> None:
    low, high = min(low, high), max(low, high)
    verdict = Limit(sign, number).verdict(low, high)
    each = {Limit(sign, number).verdict(value, value) for value in (low, high, (low + high) / 2)}
    if verdict in ("met", "broken"):
        assert each == {verdict}


def test_vectors_of_a_frame_are_read_like_any_column() -> None:
    assert counted(expect("range", low=0.0), column_of([1, 2]).numbers.tolist()) == [2, 2, 2, 0]  # type: ignore[union-attr]
