"""What a window loses a day in money, beside its baseline, and how sure that is."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.panes.model_bins import ModelBins
from driftline.panes.pane import Pane
from driftline.tables.table import ModelKey
from driftline.tables.task import Task
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.performance.daily_loss import add_losses, daily_loss
from driftline_processor.core.performance.judge import judge_performance
from driftline_processor.core.performance.settings import STANDARD
from driftline_processor.core.performance.window_outcomes import WindowOutcomes
from driftline_processor.core.windows.window import DAY, Window
from msgspec import structs
from msgspec.structs import replace

from tests.support.money_windows import costing, of_money
from tests.support.unwrap import unwrap
from tests.support.verdict_windows import window

BINARY = Task("binary", ("0", "1"), "1")
COSTS = {"1": {"0": 500.0}, "0": {"1": 20.0}}


def confused(right_no: int, blocked: int, missed: int, caught: int) -> Pane:
    """Decisions by actual and predicted class."""
    n = float(right_no + blocked + missed + caught)
    return Pane({"outcomes": np.array([n] * 3), "confusion": np.array([right_no, blocked, missed, caught], float)})


def judged(now: Pane, before: Pane, days: int, predictions: float) -> Evaluation:
    baseline = Baseline("m", "", BINARY, ModelBins(), before)
    found = Evaluation(ModelKey("m"), Window("", 0, days * DAY), int(predictions), True, coverage=2_000 / predictions)
    judge_performance(found, now, baseline, BINARY, WindowOutcomes(), replace(STANDARD, costs=COSTS))
    return found


def test_it_is_the_cost_beyond_the_baselines_times_the_predictions_of_a_day() -> None:
    # of 2,000 rows 30 more are missed at 500 each: 7.50 a prediction, of which there are 2,500 a day
    found = unwrap(daily_loss(judged(confused(1_900, 20, 40, 40), confused(1_930, 20, 10, 40), 2, 5_000)))
    assert (found.metric, found.predictions, found.coverage) == ("cost_per_prediction", 2_500.0, 0.4)
    assert found.amount == pytest.approx(7.5 * 2_500)
    assert 0 < unwrap(found.low) < found.amount < unwrap(found.high)
    assert found.certain


def test_a_window_as_good_as_its_baseline_loses_nothing_for_certain() -> None:
    found = unwrap(daily_loss(judged(confused(1_930, 20, 10, 40), confused(1_930, 20, 10, 40), 1, 2_000)))
    assert found.amount == 0
    assert unwrap(found.low) < 0 < unwrap(found.high)
    assert not found.certain


def test_its_interval_is_that_of_the_difference_of_window_and_baseline() -> None:
    found = unwrap(daily_loss(costing()))
    assert (found.amount, found.predictions) == (2_500.0, 5_000.0)
    reach = 5_000 * (0.3**2 + 0.1**2) ** 0.5
    assert found.low == pytest.approx(2_500 - reach)
    assert found.high == pytest.approx(2_500 + reach)


def test_value_that_falls_is_a_loss_and_value_that_rises_a_gain() -> None:
    metric = "value_per_prediction"
    less = daily_loss(costing(cost=0.5, ends=(0.4, 0.6), metric=metric))
    more = unwrap(daily_loss(costing(cost=1.5, ends=(1.4, 1.6), metric=metric)))
    assert less is not None
    assert less.amount == 2_500
    assert less.certain
    assert more.amount == -2_500
    assert unwrap(more.high) < 0


def test_costs_come_before_values_and_may_be_negative() -> None:
    both = costing(cost=-0.5, ends=(-0.6, -0.4), was=-1.0, was_ends=(-1.1, -0.9))
    both.realized["value_per_prediction"] = of_money(9.0)
    both.reference["value_per_prediction"] = of_money(90.0)
    found = unwrap(daily_loss(both))
    assert (found.metric, found.amount, found.certain) == ("cost_per_prediction", 2_500.0, True)


def test_without_an_interval_nothing_is_certain() -> None:
    found = unwrap(daily_loss(costing(ends=(None, None))))
    assert (found.amount, found.low, found.high, found.certain) == (2_500.0, None, None, False)


@pytest.mark.parametrize(
    "untold",
    [
        window(),
        costing(maturity="immature"),
        costing(closed=False),
        costing(cost=float("nan")),
        structs.replace(costing(), reference={}),
        structs.replace(costing(), window=Window("", 0, 0)),
    ],
    ids=["no money", "outcomes may come", "open", "not a number", "no baseline", "no length"],
)
def test_nothing_is_told_of_a_window_that_cannot_tell(untold: Evaluation) -> None:
    assert daily_loss(untold) is None


def test_losses_of_several_are_added_end_by_end_and_none_is_unknown() -> None:
    one, other = daily_loss(costing()), daily_loss(costing(day=1, ends=(None, None), coverage=None))
    assert one is not None
    assert other is not None
    both = unwrap(add_losses([one, other]))
    assert (both.amount, both.low, both.high, both.coverage) == (5_000.0, None, None, None)
    assert (both.metric, both.start, both.end) == ("cost_per_prediction", one.start, other.end)
    assert (add_losses([one]), add_losses([])) == (one, None)
