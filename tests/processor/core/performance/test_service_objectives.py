"""Objectives of calls: units, what they refuse, and what is needed to tell."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.panes.pane import Pane
from driftline.tables.table import F64, Column, ModelKey
from driftline_processor.config.performance import Performance
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, ObjectiveState
from driftline_processor.core.performance.objective import count_inconclusive, newest_objectives, read_objective
from driftline_processor.core.performance.objective_states import rolling_steps
from driftline_processor.core.performance.service_objectives import judge_service
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.performance.window_outcomes import Steps, WindowOutcomes
from driftline_processor.core.service_level.sums import call_parts
from driftline_processor.core.windows.window import PANE, Window

from tests.support.unwrap import unwrap

HOUR = 3_600 * 10**9


def calls(seconds: F64, failed: int = 0) -> Pane:
    n = len(seconds) + failed
    errors = Column(codes=np.where(np.arange(n) < failed, 0, -1).astype(np.int32), categories=("TimeoutError",))
    duration = np.concatenate([np.full(failed, 30.0), seconds])
    parts = call_parts(duration, errors, None, np.zeros(n, np.int64), 1)
    return Pane({part: sums.dense(1)[0] for part, sums in parts.items()})


def judged(rule: str, pane: Pane, closed: bool = True, **slices: Pane) -> ObjectiveState:
    evaluation = Evaluation(
        ModelKey("m"), Window("1d", 0, 86_400 * 10**9), 100, closed, young=True, maturity="immature"
    )
    asked = PerformanceSettings(objectives=(read_objective(rule),))
    named = {name.replace("__", "="): one for name, one in slices.items()}
    [state] = judge_service(evaluation, pane, WindowOutcomes(slices=named), asked)
    return state


@pytest.mark.parametrize(
    ("rule", "again"),
    [
        ("latency_p99 <= 100ms", "latency_p99 <= 100ms"),
        ("latency_p50<=0.1 s", "latency_p50 <= 100ms"),
        ("latency_p95 <= 2500 ms in country over 1h", "latency_p95 <= 2.5s in country over 1h"),
        ("latency_p95 <= 250us", "latency_p95 <= 0.25ms"),
        ("error_rate <= 0.1 %", "error_rate <= 0.1 %"),
        ("error_rate <= 0.001", "error_rate <= 0.1 %"),
        ("availability >= 99.95%", "availability >= 99.95 %"),
        ("latency_p99 <= 1 s over rolling 1h", "latency_p99 <= 1s over rolling 1h"),
    ],
)
def test_a_limit_has_the_unit_of_its_metric_and_reads_again(rule: str, again: str) -> None:
    found = read_objective(rule)
    assert found.rule == again
    assert read_objective(found.rule) == found


@pytest.mark.parametrize(
    ("rule", "fix"),
    [
        ("latency_p99 <= 100", "'100' has no unit; use '100ms' or '100s'"),
        ("latency_p99 <= 100 h", "'h' is not a unit of a latency"),
        ("latency_p99 <= 100 %", "'%' is not a unit of a latency"),
        ("latency_p90 <= 100ms", "available: latency_p50, latency_p95, latency_p99"),
        ("latency_p99 >= 100ms", "use 'latency_p99 <= 100ms'"),
        ("error_rate <= 5", "use '5 %'"),
        ("error_rate <= 101 %", "use at most 100 %"),
        ("error_rate <= 5 ms", "'5 ms' is not a fraction; use '5 %'"),
        ("availability <= 99 %", "use 'availability >= 99 %'"),
        ("error_rate <= baseline + 0.1", "use a fixed limit, as in 'error_rate <= 0.1 %'"),
        ("precision >= 95 %", "use 0.95"),
    ],
)
def test_what_calls_cannot_answer_is_refused_with_the_fix(rule: str, fix: str) -> None:
    with pytest.raises(ValueError, match=fix.replace("+", r"\+")):
        read_objective(rule)


def test_yaml_takes_units_too() -> None:
    mappings = [
        {"metric": "latency_p99", "max": "100ms"},
        {"metric": "availability", "min": "99.9 %", "slice": "country"},
    ]
    found = Performance(objectives=mappings).objectives  # type: ignore[arg-type]
    assert [one.rule for one in found] == ["latency_p99 <= 100ms", "availability >= 99.9 % in country"]
    with pytest.raises(ValueError, match=r"'0\.1' has no unit"):
        Performance(objectives=[{"metric": "latency_p99", "max": 0.1}])  # type: ignore[arg-type]
    assert list(Performance(objectives=found).problems("binary", ())) == []


def test_a_limit_on_a_bound_is_counted_to_the_call() -> None:
    rng = np.random.default_rng(2)
    inside, outside = rng.uniform(0.05, 0.1, 9_950), rng.uniform(0.1001, 0.2, 50)
    assert judged("latency_p99 <= 100ms", calls(np.concatenate([inside, outside]))).state == "met"
    outside = rng.uniform(0.1001, 0.2, 200)
    broken = judged("latency_p99 <= 100ms", calls(np.concatenate([inside, outside])))
    assert broken.state == "broken"
    assert unwrap(broken.low) > 0.1
    edge = judged("latency_p99 <= 100ms", calls(np.concatenate([inside, outside[:100]])))
    assert edge.state == "inconclusive"


def test_it_waits_for_no_outcome_and_only_for_its_window() -> None:
    pane = calls(np.full(5_000, 0.02))
    assert judged("latency_p99 <= 100ms", pane).state == "met"
    assert judged("latency_p99 <= 100ms", pane, closed=False).remarks == (facts.WindowOpenYet(),)
    assert judged("latency_p99 <= 100ms", Pane()).remarks == (facts.NoCall(metric="latency_p99", slice=""),)


def test_few_calls_cannot_tell_and_say_how_many_would() -> None:
    state = judged("error_rate <= 0.1 %", calls(np.full(100, 0.02)))
    assert (state.state, state.value, state.needed) == ("inconclusive", 0.0, 3688)
    assert judged("error_rate <= 0.1 %", calls(np.full(3_688, 0.02))).state == "met"
    quick = judged("latency_p99 <= 100ms", calls(np.full(100, 0.02)))
    assert (quick.state, quick.needed, quick.reason) == ("inconclusive", 368, "too_few_rows")
    assert judged("latency_p99 <= 100ms", calls(np.full(368, 0.02))).state == "met"
    slow = judged("latency_p50 <= 10ms", calls(np.full(20, 0.02)))
    assert slow.state == "broken", "few calls are enough where all are slow"


def test_of_many_slices_the_worst_is_told_and_all_are_counted() -> None:
    fine, bad = calls(np.full(2_000, 0.02)), calls(np.full(1_000, 0.02), failed=100)
    state = judged(
        "availability >= 99 % in country", fine, country__NL=fine, country__DE=bad, country__FR=calls(np.ones(9))
    )
    assert (state.state, state.slice, state.few) == ("broken", "country=DE", 1)
    assert state.slices == {"country=NL": "met", "country=DE": "broken"}
    one = judged("availability >= 99 % in country=NL", bad, country__NL=fine)
    assert (one.state, one.slice) == ("met", "country=NL")
    none = judged("availability >= 99 % in country=NO", bad, country__NL=fine)
    no_call = facts.NoCall(metric="availability", slice="country=NO")
    assert (none.state, none.remarks) == ("inconclusive", (no_call,))


def _rolling(rule: str, bad: range, until: int = HOUR) -> ObjectiveState:
    """Judge an hour of calls, and the one before; a fifth of the calls of some five minutes failed."""
    evaluation = Evaluation(ModelKey("m"), Window("1h", 0, HOUR), 100, until >= HOUR)
    asked = PerformanceSettings(objectives=(read_objective(rule),))
    steps = unwrap(rolling_steps(evaluation.window, asked.objectives, "UTC", until, -HOUR))
    fine, failing = calls(np.full(1_000, 0.02)), calls(np.full(800, 0.02), failed=200)
    panes = [failing if step.start // PANE in bad else fine for step in steps]
    [state] = judge_service(evaluation, calls(np.full(12_000, 0.02)), WindowOutcomes(calls=Steps(steps, panes)), asked)
    return state


def test_an_hour_that_fails_is_found_though_it_is_in_two_windows() -> None:
    found = _rolling("error_rate <= 10 % over rolling 1h", range(-6, 6))
    assert (found.state, found.value, found.rows) == ("broken", 0.2, 7_000)
    assert (found.since, found.until) == (
        -6 * PANE,
        PANE,
    )  # the first end at which the hour's value is beyond the limit
    assert _rolling("error_rate <= 10 % over rolling 1h", range(-20, -11)).state == "met"
    assert _rolling("latency_p99 <= 100ms over rolling 1h", range(-6, 6)).state == "met"


def test_of_an_open_window_the_hours_that_have_ended_are_judged() -> None:
    found = _rolling("availability >= 90 % over rolling 1h", range(-12, 12), until=2 * PANE)
    assert (found.state, found.until) == ("broken", PANE)
    none = _rolling("availability >= 90 % over rolling 1h", range(-12, 12), until=0)
    assert (none.state, none.remarks) == ("inconclusive", (facts.NoPeriodEnded(of_calls=True),))


def test_the_newest_closed_window_tells_whether_or_not_outcomes_may_come() -> None:
    old, new = (Evaluation(ModelKey("m"), Window("1d", at, at + 1), 1, True, young=bool(at)) for at in (0, 1))
    old.objectives = (judged("error_rate <= 0.1 %", calls(np.full(5_000, 0.02))),)
    new.objectives = (judged("error_rate <= 0.1 %", calls(np.full(5_000, 0.02), failed=900)),)
    assert newest_objectives([old, new])["error_rate <= 0.1 %"].state == "broken"
    few = Evaluation(ModelKey("m"), Window("1d", 1, 2), 1, True, young=True)
    few.objectives = (judged("error_rate <= 0.1 %", calls(np.full(5, 0.02))),)
    assert count_inconclusive(few, None)[0].inconclusive_windows == 1
