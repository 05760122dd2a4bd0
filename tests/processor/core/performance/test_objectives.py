"""Objectives: met, broken, or it cannot be told, and with how many rows it could."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane, merge
from driftline.tables.table import ModelKey
from driftline.tables.task import Task
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, MetricValue, ObjectiveState
from driftline_processor.core.fact import Fact
from driftline_processor.core.intervals import confidence as of
from driftline_processor.core.intervals.confidence import WeightSums
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.performance import objective_states
from driftline_processor.core.performance.judge import maturity
from driftline_processor.core.performance.metric_intervals import with_intervals
from driftline_processor.core.performance.objective import (
    Objective,
    count_inconclusive,
    newest_objectives,
    read_objective,
)
from driftline_processor.core.performance.objective_states import (
    judge_objectives,
    judge_outcomes,
    judge_rolling,
    rolling_steps,
)
from driftline_processor.core.performance.realized import realized
from driftline_processor.core.performance.reference import reference_of
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.performance.slices import judge_slices
from driftline_processor.core.performance.window_outcomes import Steps, WindowOutcomes
from driftline_processor.core.reference.decision_threshold import align_threshold
from driftline_processor.core.windows.window import PANE, Window
from msgspec import structs
from scipy import stats

from tests.support.unwrap import unwrap

_Kind = TypeVar("_Kind", bound=Fact)
BINARY = Task("binary", ("0", "1"), "1")
HOUR = 3_600 * 10**9
DAY = 24 * HOUR
START = 480_000 * HOUR
WINDOW = Window("1h", START, START + HOUR)

TWO_DAYS = WindowOutcomes(young=True, delay=OutcomeDelay(48 * HOUR, "configured"))


def flagged(right: int, wrong: int) -> Pane:
    n = float(right + wrong)
    return Pane({"outcomes": np.array([n, n, n]), "confusion": np.array([0.0, wrong, 0.0, right])})


def judged(
    pane: Pane,
    *written: str | Objective,
    window: Window = WINDOW,
    known: WindowOutcomes | None = None,
    closed: bool = True,
) -> Evaluation:
    asked = PerformanceSettings(
        objectives=tuple(read_objective(one) if isinstance(one, str) else one for one in written)
    )
    evaluation = Evaluation(ModelKey("fraud"), window, pane.rows, closed)
    evaluation.realized = with_intervals(realized(pane, BINARY), pane, (), BINARY, asked)
    evaluation.maturity, evaluation.immature = maturity(evaluation, known or WindowOutcomes(), asked)
    evaluation.objectives = judge_objectives(evaluation, BINARY, known or WindowOutcomes(), asked)
    return evaluation


def remark(state: ObjectiveState, kind: type[_Kind]) -> _Kind:
    """Return the one remark of a kind."""
    (found,) = (remark for remark in state.remarks if isinstance(remark, kind))
    return found


def state(pane: Pane, written: str) -> ObjectiveState:
    (found,) = judged(pane, written).objectives
    return found


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [(300, 30, "broken"), (300, 15, "inconclusive"), (300, 4, "met"), (71, 0, "inconclusive"), (72, 0, "met")],
)
def test_the_whole_interval_decides(right: int, wrong: int, expected: str) -> None:
    found = state(flagged(right, wrong), "precision >= 0.95")
    limits = stats.binomtest(right, right + wrong).proportion_ci(0.95)
    assert found.state == expected
    assert (found.low, found.high) == pytest.approx((limits.low, limits.high))
    assert found.rows == right + wrong


def test_what_shall_be_small_is_broken_by_what_is_large() -> None:
    pane = flagged(300, 30)
    assert state(pane, "precision <= 0.8").state == "broken"
    assert state(pane, "precision <= 0.97").state == "met"


@pytest.mark.parametrize(("truth", "rows"), [(0.93, 1_471), (0.90, 279), (0.85, 93)])
def test_as_many_rows_are_needed_as_prove_it_nine_times_in_ten(truth: float, rows: int) -> None:
    n = 200 if truth > 0.9 else 20
    found = state(flagged(round(n * truth), n - round(n * truth)), "precision >= 0.95")
    assert found.state == "inconclusive"
    assert found.needed == pytest.approx(rows, rel=0.01)
    assert remark(found, facts.RowsDecide).needed == found.needed
    hits = np.arange(rows + 1)
    broken = np.array([(of.clopper_pearson(_rows(k), _rows(rows - k), 0.95).high or 1) < 0.95 for k in range(rows + 1)])
    assert float(stats.binom.pmf(hits, rows, truth) @ broken) == pytest.approx(0.9, abs=0.04)


def test_never_fewer_rows_are_needed_than_can_tell() -> None:
    for right, written, least in ((20, "precision >= 0.9", 36), (1, "precision >= 0.5", 6)):
        assert (state(flagged(right, 0), written).needed or 0) >= least


def test_a_baseline_of_cannot_tell_says_nothing_of_a_change() -> None:
    """It was taken for certain: of two windows of one world one was broken, or met, in two of three."""
    evaluation = judged(flagged(300, 30))
    evaluation.reference = {"precision": MetricValue(0.8, 12, "panes", interval="too_few_rows")}
    asked = PerformanceSettings(objectives=(read_objective("precision >= baseline"),))
    (found,) = judge_objectives(evaluation, BINARY, WindowOutcomes(), asked)
    assert (found.rule, found.state) == ("precision >= baseline", "inconclusive")
    assert remark(found, facts.BaselineLacks) == facts.BaselineLacks(metric="precision", lacking="rows")


def _rows(n: int) -> WeightSums:
    return WeightSums(float(n), float(n))


def test_nothing_reviewed_is_told_and_so_is_what_would_be_the_least() -> None:
    found = state(Pane({"outcomes": np.zeros(3)}), "precision >= 0.95")
    assert (found.state, found.rows, found.needed, found.value) == ("inconclusive", 0, 72, None)
    assert remark(found, facts.NoRowReviewed) == facts.NoRowReviewed(metric="precision", slice="", needed=72)
    assert state(Pane(), "mae <= 3").needed is None


def test_of_what_was_never_seen_more_rows_are_needed_than_there_are() -> None:
    """All that was reviewed was right, and the next miss may weigh a hundred."""
    pane = Pane({"outcomes": np.array([60.0, 1050, 100_050]), "confusion": np.array([1000.0, 0, 0, 50])})
    pane.parts["confusion_excess"] = np.array([99_000.0, 0, 0, 0])
    found = state(pane, "recall >= 0.5")
    assert (found.state, found.value, found.rows) == ("inconclusive", 1.0, 50)
    assert unwrap(found.needed) > 150


def test_exactly_at_the_objective_no_number_of_rows_tells() -> None:
    found = state(flagged(95, 5), "precision >= 0.95")
    assert (found.state, found.needed) == ("inconclusive", None)
    assert remark(found, facts.RowsDecide) == facts.RowsDecide(needed=None)


def test_an_immature_or_open_window_cannot_tell() -> None:
    young = judged(flagged(300, 30), "precision >= 0.95", known=TWO_DAYS)
    assert (young.maturity, young.objectives[0].state) == ("immature", "inconclusive")
    delay = facts.OutcomesMayStillCome(2 * DAY, learned_from=None)
    assert remark(young.objectives[0], facts.OutcomesMayStillCome) == delay
    opened = judged(flagged(300, 30), "precision >= 0.95", closed=False)
    assert (opened.maturity, opened.objectives[0].state) == ("open", "inconclusive")


def test_a_window_of_few_outcomes_says_how_many_it_needs() -> None:
    evaluation = Evaluation(ModelKey("fraud"), WINDOW, 1_000, True, outcome_rows=31, coverage=0.031)
    assert maturity(evaluation, WindowOutcomes(), PerformanceSettings(min_coverage=0.5)) == (
        "immature",
        (facts.CoverageTooLow(coverage=0.031, needed=0.5),),
    )
    assert maturity(evaluation, WindowOutcomes(), PerformanceSettings(min_coverage=0.03)) == ("mature", ())


def test_a_change_since_the_baseline_is_as_sure_as_both() -> None:
    metric = MetricValue(0.80, 1_000, "panes", low=0.78, high=0.82)
    evaluation = Evaluation(ModelKey("fraud"), WINDOW, 1_000, True, realized={"roc_auc": metric})
    for was, expected in ((0.9, "broken"), (0.83, "inconclusive"), (0.78, "met")):
        evaluation.reference = {"roc_auc": MetricValue(was, 9_000, "panes", low=was - 0.01, high=was + 0.01)}
        asked = PerformanceSettings(objectives=(read_objective("roc_auc >= baseline - 0.02"),))
        (found,) = judge_objectives(evaluation, BINARY, WindowOutcomes(), asked)
        assert found.state == expected
        assert (found.value, found.limit) == pytest.approx((0.8 - was, -0.02))
        assert (found.low, found.high) == pytest.approx(
            (0.8 - was - math.hypot(0.02, 0.01), 0.8 - was + math.hypot(0.02, 0.01))
        )
    evaluation.reference = {}
    (found,) = judge_objectives(evaluation, BINARY, WindowOutcomes(), asked)
    assert remark(found, facts.BaselineLacks) == facts.BaselineLacks(metric="roc_auc", lacking="metric")


def test_an_objective_of_another_window_is_not_judged() -> None:
    assert judged(flagged(300, 30), "precision >= 0.95 over 1d").objectives == ()


def _minutes(panes: dict[int, Pane], until: int = START + HOUR) -> WindowOutcomes:
    steps = unwrap(rolling_steps(WINDOW, [read_objective("precision >= 0.95 over rolling 1h")], "UTC", until, 0))
    return WindowOutcomes(steps=Steps(steps, [panes.get((step.start - START) // PANE, Pane()) for step in steps]))


def test_a_bad_hour_is_found_though_it_is_in_two_windows() -> None:
    """Half of it before the window, half of it in it; all of the window is fine."""
    good, bad = flagged(100, 0), flagged(70, 30)
    panes = {at: bad if -6 <= at < 6 else good for at in range(-12, 12)}
    known = _minutes(panes)
    assert len(known.steps.windows if known.steps else ()) == 23  # an hour less five minutes before, and its own
    found = judged(merge([panes[at] for at in range(12)]), "precision >= 0.95 over rolling 1h", known=known).objectives[
        0
    ]
    assert (found.state, found.value) == ("broken", 0.7)
    assert (found.since, found.until) == (START - 6 * PANE, START + PANE)  # the first end in the window


def test_days_that_roll_are_as_sure_as_days() -> None:
    """Two days of 5,760 flagged rows each, 95 % right and 90 %: 11,520 rows would be sure, two days are not."""
    end = START + 2 * DAY
    window = Window("5m", end - PANE, end)
    steps = [Window("5m", at, at + PANE) for at in range(START, end, PANE)]
    panes = [flagged(*((19, 1) if step.end <= START + DAY else (18, 2))) for step in steps]
    known = WindowOutcomes(steps=Steps(steps, panes))
    found = judged(panes[-1], "precision >= 0.95 over rolling 2d", window=window, known=known).objectives[0]
    assert found.state == "inconclusive"
    assert found.value == pytest.approx(0.925)
    assert found.rows == 11_520
    alike = [flagged(18, 2)] * len(steps)
    known = WindowOutcomes(steps=Steps(steps, alike))
    found = judged(panes[-1], "precision >= 0.95 over rolling 2d", window=window, known=known).objectives[0]
    assert found.state == "broken"


def test_a_rolling_objective_is_met_where_every_hour_is_and_waits_for_the_least_sure() -> None:
    written = "precision >= 0.95 over rolling 1h"
    fine = _minutes({at: flagged(100, 0) for at in range(-12, 12)})
    assert judged(Pane(), written, known=fine).objectives[0].state == "met"
    thin = _minutes({at: flagged(100, 0) if at != 3 else flagged(90, 50) for at in range(-12, 12)})
    assert judged(Pane(), written, known=thin).objectives[0].state == "inconclusive"


def test_of_a_window_that_is_open_the_hours_that_have_ended_are_judged() -> None:
    panes = {at: flagged(70, 30) for at in range(-12, 12)}
    found = judged(
        Pane(), "precision >= 0.95 over rolling 1h", known=_minutes(panes, START + 2 * PANE), closed=False
    ).objectives[0]
    assert (found.state, found.until) == ("broken", START + PANE)
    early = judged(Pane(), "precision >= 0.95 over rolling 1h", known=_minutes(panes, START), closed=False)
    assert (early.objectives[0].state, early.objectives[0].until) == ("inconclusive", 0)


def test_each_period_on_the_right_side_is_evaluated_once() -> None:
    outcomes = _minutes({at: flagged(100, 0) for at in range(-12, 12)})
    steps, objective = unwrap(outcomes.steps), read_objective("precision >= 0.95 over rolling 1h")
    judge = judge_outcomes(objective, BINARY, outcomes, PerformanceSettings(), {})
    ends: list[int] = []

    def counted(part: Window, panes: Sequence[Pane], confidence: float) -> ObjectiveState | None:
        ends.append(part.end)
        return judge(part, panes, confidence)

    assert judge_rolling(objective, WINDOW, steps, "UTC", 0.95, counted).state == "met"
    assert ends == [START + PANE * at for at in range(1, 13)]


def test_the_expected_coverage_of_all_parts_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    coverages: list[Steps] = []

    def counted(steps: Steps, task: Task) -> np.ndarray:
        coverages.append(steps)
        return expected_coverage(steps, task)

    expected_coverage = objective_states._expected_coverage
    monkeypatch.setattr(objective_states, "_expected_coverage", counted)
    decided = {"decided:0": np.array([0.0]), "decided:1": np.array([100.0])}
    pane = Pane({**flagged(50, 40).parts, **decided})
    steps = unwrap(_minutes(dict.fromkeys(range(-12, 12), pane)).steps)._replace(final=START)
    found = judged(Pane(), "precision >= 0.95 over rolling 1h", known=WindowOutcomes(steps=steps), closed=False)
    assert (found.objectives[0].state, len(coverages)) == ("broken", 1)


SLICED = {"country=BE": (188, 12), "country=LU": (20, 29), "country=NL": (165, 35), "plan=x": (0, 99)}


def by_slice(written: str | Objective, slices: dict[str, tuple[int, int]] = SLICED) -> ObjectiveState:
    objective = written if isinstance(written, Objective) else read_objective(written)
    asked, known = (
        PerformanceSettings(objectives=(objective,)),
        WindowOutcomes(slices={name: flagged(*own) for name, own in slices.items()}),
    )
    whole = merge(list(known.slices.values()))
    evaluation = Evaluation(ModelKey("fraud"), WINDOW, whole.rows, True)
    judge_slices(evaluation, whole, BINARY, known, asked)
    (found,) = judge_objectives(evaluation, BINARY, known, asked)
    return found


def test_an_objective_of_a_slice_is_judged_by_its_rows_alone() -> None:
    found = by_slice("precision >= 0.87 in country=NL")
    limits = stats.binomtest(165, 200).proportion_ci(0.95)
    assert (found.state, found.rows, found.slice, found.slices) == ("inconclusive", 200, "country=NL", {})
    assert (found.low, found.high) == pytest.approx((limits.low, limits.high))
    assert by_slice("precision >= 0.9 in country=NL").state == "broken"
    unknown = by_slice("precision >= 0.9 in country=FR")
    assert (unknown.state, unknown.rows, unknown.value) == ("inconclusive", 0, None)
    assert remark(unknown, facts.NoRowReviewed) == facts.NoRowReviewed(
        metric="precision", slice="country=FR", needed=36
    )


def test_slices_that_may_be_broken_are_held_together_and_those_that_may_be_met_are_not() -> None:
    found = by_slice("precision >= 0.878 in country")
    limits = stats.binomtest(165, 200).proportion_ci(0.975)  # two countries: half of 5 % each
    assert (found.state, found.slice, found.few) == ("inconclusive", "country=NL", 1)
    assert (found.low, found.high) == pytest.approx((limits.low, limits.high))
    assert limits.high > 0.878 > stats.binomtest(165, 200).proportion_ci(0.95).high
    assert found.slices == {"country=BE": "met", "country=NL": "inconclusive"}
    states = {"met": 1, "broken": 0, "inconclusive": 1}
    assert remark(found, facts.SlicesOfKey) == facts.SlicesOfKey("country", states, few=1, min_rows=50)
    assert by_slice("precision >= 0.9 in country").state == "broken"
    assert by_slice("precision >= 0.75 in country").state == "met"
    assert by_slice(Objective("precision", least=0.75, slice="country", min_rows=49)).state == "broken"


def test_at_the_limit_one_of_many_slices_is_called_broken_no_more_often_than_all_rows() -> None:
    """Of 20 slices whose precision is just what it shall be, exactly, over what each of them may be."""
    hits, n = np.arange(201), 200
    slices = by_slice("precision >= 0.9 in country", {f"country={k}": (k, n - k) for k in range(150, 170)}).slices
    most = max(int(name.partition("=")[2]) for name, state in slices.items() if state == "broken")
    alone = float(stats.binom.pmf(hits[: most + 1], n, 0.9).sum())
    assert 0.005 < 1 - (1 - alone) ** 20 < 0.025


def test_without_a_slice_of_enough_rows_nobody_can_tell() -> None:
    found = by_slice("precision >= 0.9 in country", {"country=LU": (20, 29)})
    assert (found.state, found.needed, found.few) == ("inconclusive", 50, 1)
    assert remark(found, facts.NoSliceWithRows).most == ("country=LU", 49)
    nothing = facts.NoSliceWithRows("plan", "precision", min_rows=50, most=None, of_calls=False)
    assert remark(by_slice("precision >= 0.9 in plan", {}), facts.NoSliceWithRows) == nothing


def test_a_value_of_which_nobody_knows_an_outcome_is_not_met() -> None:
    def of(predictions: int, labelled: int = 0, broken: int = 0) -> ObjectiveState:
        slices = {"country=BE": flagged(188 - broken, 12 + broken), "country=DE": flagged(labelled, 0)}
        slices["country=DE"].parts["rows"] = np.full(3, float(predictions))
        known, asked = (
            WindowOutcomes(slices=slices),
            PerformanceSettings(objectives=(read_objective("precision >= 0.75 in country"),)),
        )
        evaluation = Evaluation(ModelKey("fraud"), WINDOW, 400, True)
        judge_slices(evaluation, Pane(), BINARY, known, asked)
        (found,) = judge_objectives(evaluation, BINARY, known, asked)
        assert list(found.slices) == ["country=BE"]
        assert found.few == 1
        return found

    found = of(200)
    assert (found.state, found.slice, found.needed, found.rows) == ("inconclusive", "country=DE", 50, 0)
    assert [one.kind for one in found.remarks] == ["few_predictions_reviewed", "slices_of_key"]
    assert remark(found, facts.FewPredictionsReviewed) == facts.FewPredictionsReviewed(
        rows=0, predictions=200, needed=50
    )
    assert of(200, labelled=49).state == "inconclusive"
    assert of(49).state == "met"  # too few to be judged, whatever is known of them
    assert (of(200, broken=99).state, of(200, broken=99).slice) == ("broken", "country=BE")


def test_a_change_in_a_slice_is_against_all_rows_of_the_baseline() -> None:
    objective = read_objective("precision >= baseline - 0.1 in country")
    known = WindowOutcomes(slices={"country=NL": flagged(150, 50), "country=BE": flagged(195, 5)})
    evaluation = Evaluation(ModelKey("fraud"), WINDOW, 400, True)
    evaluation.reference = {"precision": MetricValue(0.95, 9_000, "panes", low=0.94, high=0.96)}
    asked = PerformanceSettings(objectives=(objective,))
    judge_slices(evaluation, Pane(), BINARY, known, asked)
    (found,) = judge_objectives(evaluation, BINARY, known, asked)
    assert (found.state, found.slice) == ("broken", "country=NL")
    assert found.value == pytest.approx(-0.2)


def of_two_countries(right: dict[str, float], rows: int) -> dict[str, np.ndarray]:
    """Flagged rows of ten days, so many of each country, of which a share is right."""
    country = np.repeat(list(right), rows)
    hits = np.concatenate([np.arange(rows) % 100 < 100 * share for share in right.values()])
    time = np.tile(np.datetime64("2026-01-01T00:00:00") + np.arange(rows) * 864_000 // rows, len(right))
    return {"country": country, "time": time, "p": np.full(len(hits), 0.9), "y": hits.astype(int), "x": hits * 1.0}


def test_a_change_in_a_slice_is_against_the_same_slice_of_the_baseline_where_it_is_known() -> None:
    frame = of_two_countries({"NL": 0.75, "BE": 0.97}, 2_000)
    few = {name: np.append(values, values[:30]) for name, values in frame.items()}
    few["country"], few["p"][-9:] = np.append(frame["country"], ["LU"] * 30), 0.4
    roles: dict[str, Any] = {"score": "p", "actual": "y", "time": "time", "features": ["x"], "slices": ["country"]}
    baseline = Baseline.from_json(Baseline.from_frame(few, model="fraud", task="binary", **roles).to_json())
    known = WindowOutcomes(slices={f"country={one}": flagged(150, 50) for one in ("NL", "BE", "LU")})
    asked = PerformanceSettings(objectives=(read_objective("precision >= baseline - 0.1 in country"),))

    def judged_against(baseline: Baseline) -> ObjectiveState:
        evaluation = Evaluation(ModelKey("fraud"), WINDOW, 600, True)
        evaluation.reference = reference_of(baseline, asked)
        judge_slices(evaluation, Pane(), BINARY, known, asked)
        (found,) = judge_objectives(evaluation, BINARY, known, asked, baseline)
        return found

    found = judged_against(baseline)
    assert found.slices == {"country=BE": "broken", "country=LU": "inconclusive", "country=NL": "met"}
    assert found.slice == "country=BE"
    assert found.value == pytest.approx(-0.22)
    assert [one.kind for one in found.remarks] == ["compared_with_slice", "slices_of_key"]
    assert remark(found, facts.ComparedWithSlice) == facts.ComparedWithSlice(rows=2_000)
    alone = structs.replace(asked, objectives=(read_objective("precision >= baseline - 0.1 in country=LU"),))
    evaluation = Evaluation(ModelKey("fraud"), WINDOW, 600, True)
    evaluation.reference = reference_of(baseline, alone)
    judge_slices(evaluation, Pane(), BINARY, known, alone)
    (other,) = judge_objectives(evaluation, BINARY, known, alone, baseline)
    assert other.remarks[-1].kind == "compared_with_all_rows"
    assert other.value == pytest.approx(0.75 - evaluation.reference["precision"].value)  # type: ignore[operator]
    redecided = align_threshold(baseline, Pane(), replace(baseline.task, threshold=0.3)).baseline
    assert set(judged_against(redecided).slices.values()) == {"inconclusive"}  # beside all rows, each of them


def test_windows_that_cannot_tell_for_too_long_say_so_and_how_many_rows_would() -> None:
    previous = None
    for _ in range(3):
        current = judged(flagged(300, 15), Objective("precision", least=0.94, alert_after=3))
        current.objectives = count_inconclusive(current, previous)
        previous = current
    (found,) = current.objectives
    assert (found.inconclusive_windows, found.overdue) == (3, True)
    assert found.needed is not None
    assert not structs.replace(found, inconclusive_windows=2).overdue


def test_where_all_is_reviewed_a_longer_window_is_asked_for() -> None:
    def of(interval: str, coverage: float) -> ObjectiveState:
        metric = MetricValue(0.80, 2_200, "panes", low=0.15, high=1.0, interval=interval)
        evaluation = Evaluation(ModelKey("fraud"), WINDOW, 2_200, True, realized={"accuracy": metric})
        evaluation.maturity, evaluation.coverage = "mature", coverage
        asked = PerformanceSettings(objectives=(Objective("accuracy", least=0.83, alert_after=1),))
        (found,) = judge_objectives(evaluation, BINARY, WindowOutcomes(), asked)
        return structs.replace(found, inconclusive_windows=1)

    days, rows, few = of("blocks", 1.0), of("clopper_pearson", 1.0), of("clopper_pearson", 0.5)
    assert (days.needed, days.reason, of("blocks", 0.5).reason) == (None, "too_few_days", "too_few_days")
    assert [one.kind for one in days.remarks] == ["more_days_decide"]
    assert rows.needed == few.needed
    assert (rows.reason, few.reason) == ("too_few_rows", "")


def test_a_value_that_is_not_told_apart_is_said_to_be_none_of_twenty() -> None:
    slices = {f"country={name}": (50, 1) for name in ("NL", "other")}
    found = by_slice("precision >= 0.9 in country=c77", slices)
    assert (found.state, found.needed) == ("inconclusive", None)
    assert remark(found, facts.SliceFolded).other == "country=other"


def test_a_window_whose_outcomes_may_still_come_is_not_one_that_cannot_tell() -> None:
    past = judged(flagged(95, 5), "precision >= 0.95")
    past.objectives = count_inconclusive(past, None)
    young = judged(flagged(95, 5), "precision >= 0.95", known=TWO_DAYS)
    young.young = True
    assert count_inconclusive(young, past)[0].inconclusive_windows == 1
    assert newest_objectives([past, young])["precision >= 0.95"].inconclusive_windows == 1


def test_windows_that_cannot_tell_are_counted_until_one_can() -> None:
    previous = None
    counts = []
    for right, wrong in ((95, 5), (96, 4), (95, 5), (300, 4), (95, 5)):
        current = judged(flagged(right, wrong), "precision >= 0.95")
        current.objectives = count_inconclusive(current, previous)
        counts.append(current.objectives[0].inconclusive_windows)
        previous = current
    assert counts == [1, 2, 3, 0, 1]


@pytest.mark.parametrize(
    "text",
    ["precision >= 0.95", "mae <= 3.2 over 1d", "precision >= 0.95 over rolling 1h", "roc_auc >= baseline - 0.02",
     "log_loss <= baseline + 0.1 over 1w", "ndcg@10 >= 0.3", "recall[red] >= 0.5", "recall >= 0.9 in country=NL",
     "recall >= 0.9 in country over 1d", "mae <= baseline + 1 in plan=in a box over 1d"],
)  # fmt: skip
def test_an_objective_is_written_as_it_is_read(text: str) -> None:
    assert read_objective(text).rule == text


@pytest.mark.parametrize(
    ("metric", "limit"),
    [("mae", 2_000_000), ("mae", 1_234_567.5), ("log_loss", 0.00001), ("error_rate", 0.85), ("error_rate", 0.9),
     ("error_rate", 0.000001), ("latency_p99", 12_345.678), ("latency_p99", 0.0000001)],
)  # fmt: skip
def test_a_limit_of_any_size_is_read_as_it_was_written(metric: str, limit: float) -> None:
    assert read_objective(Objective(metric, most=limit).rule).most == pytest.approx(limit, rel=1e-12)


@pytest.mark.parametrize("change", [-2_000_000, -0.00001])
def test_a_change_of_any_size_is_read_as_it_was_written(change: float) -> None:
    assert read_objective(Objective("mae", most_change=change).rule).most_change == change


@pytest.mark.parametrize(
    "text",
    ["precision", "precision > 0.95", "precision >= high", ">= 0.9", "mae <= 3 over 7m", "mae <= 3 in country="],
)
def test_what_is_no_objective_says_how_one_is_written(text: str) -> None:
    with pytest.raises(ValueError, match=r"use|remove|multiple of 5 minutes"):
        read_objective(text)


def test_an_objective_has_one_limit() -> None:
    assert Objective("mae", most=3.0).limit == 3.0
    assert not Objective("mae", most=3.0).upwards
