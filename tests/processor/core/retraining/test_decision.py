"""Whether retraining pays: retrain, wait, or nobody can tell."""

from __future__ import annotations

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core import facts
from driftline_processor.core.decode.training_runs import TrainingRun
from driftline_processor.core.evaluation import Evaluation, MetricChange, MetricValue
from driftline_processor.core.fact import Fact
from driftline_processor.core.retraining.decision import (
    LossChange,
    RetrainCost,
    RetrainQuestion,
    RetrainTerms,
    cost_of_runs,
    expected_predictions,
    loss_change,
    question_of,
    weigh_retraining,
)
from driftline_processor.core.windows.window import DAY, Window
from msgspec import structs
from msgspec.structs import replace

from tests.support.unwrap import unwrap

LOSS = LossChange("mae", 12.0, 10.0, 2.0, 1.5, 2.5, 5000, 0.4, 0.4, 0, DAY)
"""Worse by 2 (1.5 to 2.5)."""
ASKED = RetrainQuestion(LOSS, value_per_unit=0.01, predictions=100_000.0, cost=RetrainCost(500.0, "EUR"))
"""A unit is worth 500 EUR at a recovered share of a half: a gain of 1,000 EUR (750 to 1,250)."""


def window(
    day: int, accuracy: MetricValue | None, was: MetricValue, change: MetricChange, rows: int = 100
) -> Evaluation:
    realized = {} if accuracy is None else {"accuracy": accuracy}
    return Evaluation(
        ModelKey("churn", "v1"),
        Window("1d", day * DAY, (day + 1) * DAY),
        rows,
        closed=True,
        realized=realized,
        reference={"accuracy": was},
        realized_changes={"accuracy": change},
    )


ACCURATE = window(
    3,
    MetricValue(0.80, 1000, "rows", low=0.77, high=0.82),
    MetricValue(0.90, 9000, "rows", low=0.89, high=0.91),
    MetricChange("worse", -0.10, -0.135, -0.075),
)


@pytest.mark.parametrize(
    ("cost", "answer"), [(749.0, "retrain"), (751.0, "inconclusive"), (1249.0, "inconclusive"), (1251.0, "wait")]
)
def test_the_ends_of_the_gain_decide(cost: float, answer: str) -> None:
    found = weigh_retraining(replace(ASKED, cost=RetrainCost(cost, "EUR")))

    assert (found.answer, found.gain, found.gain_low, found.gain_high) == (answer, 1000.0, 750.0, 1250.0)
    assert found.break_even == cost / 500


@pytest.mark.parametrize(
    ("outcomes", "answer", "needed"), [(8, "inconclusive", 50), (49, "inconclusive", 50), (50, "retrain", None)]
)
def test_few_outcomes_are_waited_for_whatever_they_cost(outcomes: int, answer: str, needed: int | None) -> None:
    weighed = weigh_retraining(structs.replace(ASKED, loss=structs.replace(LOSS, outcomes=outcomes)))
    assert (weighed.answer, weighed.outcomes_needed) == (answer, needed)


def test_who_cannot_tell_says_how_many_outcomes_would() -> None:
    found = weigh_retraining(replace(ASKED, cost=RetrainCost(800.0)))

    # pays from 1.6 on, so the interval of 0.5 to its better side must shrink to 0.4; of 0.5² = 0.4² + 0.3² the
    # baseline's 0.3² stays, and the window's own 0.4² has to become 0.4² - 0.3²
    assert found.outcomes_needed == 11_429


def test_where_the_baseline_itself_is_too_unsure_no_number_is_told() -> None:
    found = weigh_retraining(replace(ASKED, cost=RetrainCost(900.0)))

    assert (found.answer, found.outcomes_needed) == ("inconclusive", None)


def test_a_model_that_is_surely_no_worse_waits_whatever_is_known_of_money() -> None:
    better = replace(LOSS, degradation=-1.0, low=-1.5, high=-0.1)
    found = weigh_retraining(RetrainQuestion(better))
    priced = weigh_retraining(replace(ASKED, loss=better, cost=RetrainCost(0.0)))

    assert found.reason == facts.LossNotWorse(metric="mae")
    assert (found.answer, found.gain) == ("wait", None)
    assert (priced.answer, priced.gain) == ("wait", -500.0)


def test_nobody_waits_because_too_little_is_known() -> None:
    wide = replace(LOSS, degradation=0.0, low=-5.0, high=5.0, own_low=5.0, own_high=5.0)
    found = weigh_retraining(replace(ASKED, loss=wide, cost=RetrainCost(1000.0)))

    assert (found.answer, found.gain_high) == ("inconclusive", 2500.0)
    assert found.outcomes_needed is not None


@pytest.mark.parametrize(
    ("lacks", "reason"),
    [
        ({"value_per_unit": None}, facts.FactorsLacking(names=("value",))),
        ({"cost": None}, facts.FactorsLacking(names=("cost",))),
        ({"predictions": None}, facts.FactorsLacking(names=("predictions",))),
        ({"value_per_unit": 1e308, "predictions": 1e308}, facts.FactorsTooLarge()),
    ],
)
def test_what_is_not_known_is_named(lacks: dict[str, float | None], reason: Fact) -> None:
    found = weigh_retraining(replace(ASKED, **lacks))

    assert (found.answer, found.reason) == ("inconclusive", reason)


def test_a_fault_that_no_training_repairs_waits_for_the_repair() -> None:
    found = weigh_retraining(replace(ASKED, loss=replace(LOSS, kind="data_fault"), cost=RetrainCost(1.0)))

    assert (found.answer, found.reason) == ("wait", facts.RetrainingDoesNotHelp(change="data_fault"))


def test_an_assumed_share_that_decides_is_said() -> None:
    dear = weigh_retraining(replace(ASKED, cost=RetrainCost(2000.0)))
    dearer = weigh_retraining(replace(ASKED, cost=RetrainCost(3000.0)))
    known = weigh_retraining(replace(ASKED, cost=RetrainCost(2000.0), share=0.5))

    assert (dear.answer, dearer.answer) == ("wait", "wait")
    assert dear.pays_from == pytest.approx(0.8)
    assert dearer.pays_from == pytest.approx(1.2)
    assert known.pays_from is None


def test_nothing_is_taken_back_for_nothing() -> None:
    found = weigh_retraining(replace(ASKED, share=0.0))

    assert (found.answer, found.gain_high, found.break_even) == ("wait", 0.0, None)


def test_a_metric_whose_greater_values_are_better_is_turned_round() -> None:
    found = unwrap(loss_change(ACCURATE, "accuracy"))

    assert (found.degradation, found.low, found.high) == (0.10, 0.075, 0.135)
    assert (round(found.own_low, 9), round(found.own_high, 9)) == (0.02, 0.03)  # better is up: 0.82 is the low end


def test_a_question_is_read_from_windows_and_runs() -> None:
    costs = enumerate([1.0, 9.0, 5.0])
    runs = [TrainingRun(str(n), "churn", "v1", "", 0, n, cost=cost, currency="EUR") for n, cost in costs]
    question = question_of(
        RetrainTerms(value=2.0), [structs.replace(ACCURATE, distributed=200)], [ACCURATE], [ACCURATE], runs
    )

    assert (unwrap(question.loss).metric, question.predictions) == ("accuracy", 9000.0)
    assert question.cost == RetrainCost(5.0, "EUR", "past runs", 3)
    assert [gain.reason for gain in question.gains] == [facts.NoOutcomesBeforeRun()] * 3


@pytest.mark.parametrize(
    ("window", "terms", "reason"),
    [
        (None, RetrainTerms(), "no_final_outcomes"),
        (structs.replace(ACCURATE, reference={}), RetrainTerms(), "baseline_without_outcomes"),
        (ACCURATE, RetrainTerms("mae"), "loss_not_compared"),
        (structs.replace(ACCURATE, realized={}), RetrainTerms(), "no_metric_of_loss"),
        (
            structs.replace(ACCURATE, realized_changes={"accuracy": MetricChange("inconclusive", -0.1)}),
            RetrainTerms(),
            "loss_without_interval",
        ),
        (
            structs.replace(ACCURATE, realized={"accuracy": MetricValue(float("nan"), 10, "rows", low=0.1, high=0.2)}),
            RetrainTerms(),
            "loss_without_interval",
        ),
    ],
)
def test_a_loss_that_is_not_known_is_explained(window: Evaluation | None, terms: RetrainTerms, reason: str) -> None:
    windows = [] if window is None else [window]
    found = weigh_retraining(question_of(terms, windows, windows, windows, []))

    assert (found.answer, found.reason and found.reason.kind) == ("inconclusive", reason)


def test_a_loss_in_money_needs_no_value() -> None:
    change = MetricChange("worse", 0.1, 0.05, 0.15)
    value = MetricValue(1.1, 100, "rows", low=1.0, high=1.2)
    costly = structs.replace(
        ACCURATE,
        realized={"cost_per_prediction": value},
        reference={"cost_per_prediction": MetricValue(1.0, 100, "rows", low=0.99, high=1.01)},
        realized_changes={"cost_per_prediction": change},
    )
    question = question_of(RetrainTerms(), [costly], [costly], [costly], [])

    assert question.value_per_unit == 1.0


def test_traffic_is_that_of_the_newest_month_with_its_gaps() -> None:
    days = [structs.replace(ACCURATE, window=Window("1d", day * DAY, (day + 1) * DAY), rows=day) for day in range(40)]

    assert expected_predictions(days, 30.0) == float(sum(range(10, 40)))
    assert expected_predictions([days[10], days[39]], 3.0) == pytest.approx(3 * 49 / 30)
    assert expected_predictions([], 30.0) is None


def test_the_cost_of_runs_is_a_median_in_the_currency_of_the_newest() -> None:
    def run(end: int, cost: float | None, currency: str = "EUR", error: str = "") -> TrainingRun:
        return TrainingRun(str(end), "churn", "", "", 0, end, cost=cost, currency=currency, error=error)

    assert cost_of_runs([run(4, None), run(3, 8.0), run(1, 100.0, "USD"), run(2, 4.0), run(5, 1.0, error="x")]) == (
        RetrainCost(6.0, "EUR", "past runs", 2)
    )
    assert cost_of_runs([run(1, None)]) is None
