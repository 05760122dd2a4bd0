"""Performance by slice: from the sums of each, ranked, as JSON, and back from what the store keeps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane, merge
from driftline.tables.table import Column, ModelKey
from driftline.tables.task import Task
from driftline_processor.core import facts
from driftline_processor.core.evaluation import (
    Evaluation,
    Fairness,
    MetricValue,
    SliceCondition,
    SlicePerformance,
    WeakSearch,
    WeakSlice,
)
from driftline_processor.core.fairness.criteria import FairnessRule
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.performance.judge import judge_performance
from driftline_processor.core.performance.objective import read_objective
from driftline_processor.core.performance.realized import realized
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.performance.slices import COHORTS, rank_slices
from driftline_processor.core.performance.window_outcomes import BlockSums, WindowOutcomes
from driftline_processor.core.windows.window import DAY, Window
from driftline_processor.evaluation.evaluation_codec import decode_evaluation, encode_evaluation
from driftline_processor.present.evaluation_json import to_json

from tests.support.evaluation_text import evaluation_to_text
from tests.support.unwrap import unwrap

TASK = Task("binary", ("0", "1"), "1")
WINDOW = Window("1d", 0, 86_400 * 10**9)
WEAK = WeakSlice("error", (SliceCondition("age", "below 25", high=25.0),), 900, 0.3, 0.2, 0.4, 0.1, 1e-6, 0.1)


def outcomes(right: int, wrong: int) -> Pane:
    """Half of either are positive."""
    scores = np.repeat([0.9, 0.1, 0.1, 0.9], [right // 2, right - right // 2, wrong // 2, wrong - wrong // 2])
    actual = np.repeat([1.0, 0, 1, 0], [right // 2, right - right // 2, wrong // 2, wrong - wrong // 2])
    return fold_outcomes(TASK, scores[:, np.newaxis], None, Column(numbers=actual))


def judged(
    slices: Mapping[str, Pane], asked: PerformanceSettings | None = None, weak: WeakSearch | None = None
) -> Evaluation:
    whole = merge([Pane({"rows": np.array([900.0, 900, 900])}), *slices.values()])
    evaluation = Evaluation(ModelKey("m"), WINDOW, 900, closed=True)
    judge_performance(
        evaluation, whole, None, TASK, WindowOutcomes(slices=slices, weak=weak), asked or PerformanceSettings()
    )
    return evaluation


def test_a_slice_has_every_metric_of_its_own_rows() -> None:
    slices = {"country=NL": outcomes(80, 20), "country=BE": outcomes(90, 10)}
    slices["country=NL"].parts["rows"] = np.array([150.0, 150, 150])
    found = judged(slices).performance_slices
    assert {name: (one.rows, one.predictions) for name, one in found.items()} == {
        "country=NL": (100, 150),
        "country=BE": (100, None),
    }
    for name, pane in slices.items():
        own = {which: metric.value for which, metric in realized(pane, TASK).items()}
        assert {which: metric.value for which, metric in found[name].metrics.items()} == own
    assert found["country=NL"].metrics["accuracy"].value == 0.8


def in_days(right: list[int], of: int = 100) -> BlockSums:
    return BlockSums.of(outcomes(one, of - one) for one in right)


def by_days(slices: Mapping[str, BlockSums], asked: PerformanceSettings | None = None) -> Evaluation:
    known = WindowOutcomes(slices={name: one.total for name, one in slices.items()}, in_time=slices)
    window = Window("", 0, next(iter(slices.values())).count * DAY)
    evaluation = Evaluation(ModelKey("m"), window, 900, closed=True)
    whole = merge([Pane({"rows": np.array([900.0, 900, 900])}), *known.slices.values()])
    judge_performance(evaluation, whole, None, TASK, known, asked or PerformanceSettings())
    return evaluation


def test_a_slice_whose_days_differ_is_as_sure_as_its_days_let_it_be() -> None:
    """Taken for independent rows, two bad weeks of four would break an objective that is met on average."""
    objective = PerformanceSettings(objectives=(read_objective("accuracy >= 0.87 in country"),))
    slices = {"country=NL": in_days([96, 68] * 14), "country=BE": in_days([82, 82, 82, 82] * 7)}
    found = by_days(slices, objective)
    stormy, calm = (found.performance_slices[f"country={one}"].metrics["accuracy"] for one in ("NL", "BE"))
    assert stormy.value == calm.value == 0.82
    assert (stormy.interval, calm.interval) == ("blocks", "clopper_pearson")
    assert (round(unwrap(stormy.low), 3), round(unwrap(stormy.high), 3)) == (0.756, 0.873)
    assert found.objectives[0].slices == {"country=BE": "broken", "country=NL": "inconclusive"}


def test_a_day_that_is_bad_for_both_groups_tells_nothing_of_their_difference() -> None:
    asked = PerformanceSettings(fairness=(FairnessRule("gender", "M"),))
    shared = by_days({"gender=F": in_days([92, 64] * 7), "gender=M": in_days([96, 68] * 7)}, asked).fairness[0]
    apart = by_days({"gender=F": in_days([92, 64] * 7), "gender=M": in_days([68, 96] * 7)}, asked).fairness[0]

    def length(found: Fairness) -> float:
        (comparison,) = next(one for one in found.criteria if one.name == "equal_opportunity").comparisons
        return unwrap(comparison.high) - unwrap(comparison.low)

    alike = [found.groups[0].rates["true_positive_rate"].low for found in (shared, apart)]
    assert alike[0] == pytest.approx(alike[1])  # of a group alone
    assert length(apart) > 3 * length(shared)


def test_a_slice_without_outcomes_is_left_out() -> None:
    assert judged({"country=NL": Pane({"rows": np.array([9.0, 9, 9])})}).performance_slices == {}


def test_label_ages_are_cohorts_from_the_youngest_and_no_slices() -> None:
    found = judged({f"label_age={age}": outcomes(10 + at, 5) for at, age in enumerate(reversed(COHORTS))})
    assert tuple(found.ages) == COHORTS
    assert [one.rows for one in found.ages.values()] == [19, 18, 17, 16, 15]
    assert found.performance_slices == {}


def test_slices_are_ranked_from_the_worst() -> None:
    def of(value: float | None) -> SlicePerformance:
        return SlicePerformance(9, {"mae": MetricValue(value, 9, "panes")})

    slices = {"a=1": of(2.0), "a=2": of(9.0), "a=3": of(None), "a=4": of(5.0)}
    assert [name for name, _ in rank_slices(slices)] == ["a=2", "a=4", "a=1", "a=3"]


def test_fairness_is_judged_where_somebody_asks_and_says_how_much_is_known_of_the_attribute() -> None:
    slices = {"gender=F": outcomes(160, 40), "gender=M": outcomes(320, 80), "country=NL": outcomes(9, 1)}
    (found,) = judged(slices, PerformanceSettings(fairness=(FairnessRule("gender"), FairnessRule("religion")))).fairness
    assert (found.attribute, found.reference) == ("gender", "")
    assert found.coverage is None
    assert found.labelled_coverage == pytest.approx(600 / 610)
    assert {one.basis for one in found.criteria} == {"labelled rows"}
    assert judged(slices).fairness == ()


def test_all_of_it_is_json_and_comes_back_from_the_store() -> None:
    slices = {"gender=F": outcomes(160, 40), "gender=M": outcomes(320, 80), "label_age=<1d": outcomes(480, 120)}
    search = WeakSearch((WEAK,), 600, 3, 3)
    evaluation = judged(slices, PerformanceSettings(fairness=(FairnessRule("gender"),)), search)
    back = decode_evaluation(encode_evaluation(evaluation))
    assert evaluation_to_text(back) == evaluation_to_text(evaluation)
    for part in ("performance_slices", "ages", "weak", "fairness"):
        assert getattr(back, part) == getattr(evaluation, part)
    said = to_json(evaluation)["performance"]
    assert said["slices"]["gender=F"]["metrics"]["accuracy"]["value"] == 0.8
    assert said["label_age"]["<1d"]["rows"] == 600
    assert (said["weak_slices"]["rows"], said["weak_slices"]["pairs"]) == (600, 3)
    (weak,) = said["weak_slices"]["slices"]
    assert (weak["name"], weak["conditions"][0]["high"], weak["conditions"][0]["low"]) == ("age below 25", 25.0, None)
    (fairness,) = said["fairness"]
    assert list(fairness["criteria"]) == [
        *("demographic_parity", "disparate_impact", "equal_opportunity", "equalized_odds", "predictive_parity")
    ]
    assert fairness["groups"]["M"]["selection_rate"]["value"] == 0.5
    assert fairness["criteria"]["disparate_impact"]["state"] == "met"


def test_an_immature_window_says_that_its_fast_labels_are_not_like_the_slow_ones() -> None:
    ages = {"label_age=<1h": outcomes(760, 40), "label_age=<7d": outcomes(300, 100)}
    whole = merge([Pane({"rows": np.array([9_000.0, 9_000, 9_000])}), *ages.values()])
    evaluation = Evaluation(ModelKey("m"), WINDOW, 9_000, closed=True, coverage=0.13)
    judge_performance(
        evaluation,
        whole,
        None,
        TASK,
        WindowOutcomes(slices=ages, young=True, delay=OutcomeDelay(7 * WINDOW.end, "configured")),
        PerformanceSettings(),
    )
    assert evaluation.fast_labels is not None
    assert evaluation.immature == (
        facts.OutcomesMayStillCome(delay=7 * WINDOW.end, learned_from=None),
        evaluation.fast_labels,
    )
    back = decode_evaluation(encode_evaluation(evaluation))
    assert (back.fast_labels, back.immature) == (evaluation.fast_labels, evaluation.immature)
    assert to_json(back)["performance"] == to_json(evaluation)["performance"]
