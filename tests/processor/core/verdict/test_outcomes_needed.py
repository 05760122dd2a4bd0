"""How many outcomes the advice names: those of the metric that is undecided, and those that retraining needs."""

from __future__ import annotations

from typing import Any

import pytest
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, MetricChange, SlicePerformance
from driftline_processor.core.fact import Fact
from driftline_processor.core.verdict.advice import outcomes_wanted
from driftline_processor.core.verdict.context import VerdictContext
from driftline_processor.core.verdict.undecided import labels_needed
from driftline_processor.core.windows.window import DAY, Window
from driftline_processor.present.sentences.verdict import verdict_action
from msgspec.structs import replace

from tests.support.unwrap import of_type, unwrap
from tests.support.verdict_examples import verdict_of_window
from tests.support.verdict_windows import change, known, objective, right, value, verdict_of_model, window, wrong

DAYS = change("inconclusive", 0.1, -0.1, 0.3, reason="too_few_days")
FEW = change("inconclusive", 0.1, -0.1, 0.3, reason="too_few_rows")
OF_CALLS = objective("inconclusive", "availability", rule="availability >= 99.9 %", needed=3_688)
PRECISION = objective("inconclusive", "precision", needed=120)
RECALL = objective("inconclusive", "recall", needed=900)
LATENCY = objective("inconclusive", "latency_p99", rule="latency_p99 <= 0.1", needed=50_000)
OBJECTIVES = (OF_CALLS, PRECISION, RECALL, LATENCY)


def needed(outcomes: int) -> facts.Needed:
    """The outcomes of a day of which 100 are known."""
    return facts.Needed(outcomes, "log_loss", length=round(outcomes / 100 * DAY))


def base(half: float) -> dict[str, Any]:
    return {"reference": {"log_loss": value(0.49, 0.49 - half, 0.49 + half), "accuracy": value(0.8)}}


@pytest.mark.parametrize(
    ("evaluation", "expected"),
    [
        # half the interval is 0.2, and 0.605 times the margin of 0.05 is needed: 43.8 times the 100 outcomes
        (known(0, {"log_loss": FEW}, outcome_rows=100), needed(4_380)),
        (known(0, {"log_loss": DAYS}, outcome_rows=100), needed(4_380)),
        (known(0, {"log_loss": FEW}, outcome_rows=100, objectives=OBJECTIVES), needed(4_380)),
        # 100 * (0.2² - 0.02²) / (0.0302² - 0.02²): the variance of the baseline stays
        (known(0, {"log_loss": FEW}, outcome_rows=100, **base(0.02)), needed(7_710)),
        (known(0, {"log_loss": FEW}, outcome_rows=100, **base(0.031)), None),
        (known(0, {"log_loss": replace(FEW, reason="not_comparable")}, outcome_rows=100), None),
        (
            known(
                0,
                {"log_loss": replace(FEW, reason="")},
                outcome_rows=100,
                rows=10_000,
                maturity="immature",
                immature=(facts.CoverageTooLow(coverage=0.01, needed=0.5),),
            ),
            needed(5_000),
        ),
        (
            window(0, reference={"accuracy": value(0.8)}, objectives=OBJECTIVES),
            facts.Needed(790, "accuracy", drop=0.05),
        ),
        (window(0, objectives=OBJECTIVES), facts.Needed(900, "recall", "recall >= 0.9")),
        (window(0, objectives=(OF_CALLS, LATENCY)), None),
        (window(0), None),
    ],
)
def test_the_number_of_outcomes_is_that_of_the_undecided_metric(
    evaluation: Evaluation, expected: facts.Needed | None
) -> None:
    assert labels_needed(evaluation) == expected


@pytest.mark.parametrize(
    ("evaluation", "sentence"),
    [
        (
            known(0, {"log_loss": FEW}, outcome_rows=100, rows=5_000, objectives=OBJECTIVES),
            "Label 4,280 more of its rows: if its log loss is as good as in the baseline, 4,380 labelled rows show it "
            "in nine of ten cases.",
        ),
        (
            window(0, objectives=OBJECTIVES),
            "Send its outcomes, or label 900 of its rows: so many outcomes can be conclusive for 'recall >= 0.9'.",
        ),
        (
            window(0, reference={"accuracy": value(0.8)}),
            "Send its outcomes, or label 790 of its rows: so many outcomes detect a drop of its accuracy by 5 points "
            "in nine of ten cases.",
        ),
        (
            known(0, {"log_loss": FEW}, outcome_rows=100, rows=100, coverage=1.0),
            "Evaluate a longer window: if its log loss is as good as in the baseline, about 4,400 outcomes (about 44 "
            "days at this traffic) show it in nine of ten cases; this window has 100 rows.",
        ),
        (
            known(0, {"log_loss": replace(DAYS, by_rows=(-0.1, 0.3))}, outcome_rows=100, rows=100, coverage=1.0),
            "Evaluate a longer window: this window has too few days to estimate how days differ (it takes 5, or a "
            "baseline of 7); if they do not differ, and its log loss is as good as in the baseline, about 4,400 "
            "outcomes (about 44 days at this traffic) show it in nine of ten cases.",
        ),
    ],
)
def test_a_sentence_with_a_number_of_outcomes_names_the_metric(evaluation: Evaluation, sentence: str) -> None:
    assert verdict_action(verdict_of_window(evaluation)) == sentence


def test_the_traffic_is_that_of_the_days_with_outcomes() -> None:
    month = window(0, 30, "30d", outcome_rows=100, rows=100, coverage=1.0, reference={"log_loss": value(0.49)})
    month.realized_changes = {"log_loss": FEW}
    end = month.window.end
    last = replace(month, outcome_span=(end - 12 * DAY, end))
    assert [unwrap(labels_needed(one)).length // DAY for one in (month, last)] == [30 * 4_380 // 100, 12 * 4_380 // 100]


@pytest.mark.parametrize("undecided", [FEW, DAYS])
def test_no_longer_window_is_asked_for_if_the_baseline_is_less_certain_than_the_margin(undecided: MetricChange) -> None:
    of_baseline = known(0, {"log_loss": undecided}, **base(0.1))
    larger = of_type(verdict_of_window(of_baseline).advice, facts.BuildLargerBaseline)
    assert (larger.metric, larger.margin, larger.rows, larger.needed) == ("log_loss", 0.05, 109_411, None)
    assert larger.half == pytest.approx(0.1)
    assert verdict_action(verdict_of_window(of_baseline)) == (
        "Build the baseline from more days, about 110,000 rows, or set a margin, if only a change of 0.234 or more "
        "matters: the baseline's log loss is known to ±0.1 only, and the margin is 0.05, so even the longest window "
        "shows in only 16 of 100 cases that a model is as good."
    )


def test_no_margin_is_suggested_that_accepts_the_loss_of_most_of_the_skill() -> None:
    half = 0.1 / 2.3375  # the margin that such a baseline can show is 0.1
    some, little = (known(0, {"log_loss": FEW}, skill={"log_loss": (0.49, was)}, **base(half)) for was in (0.7, 0.68))
    assert "or set a margin, if only a change of 0.1 or more matters" in verdict_action(verdict_of_window(some))
    larger = of_type(verdict_of_window(little).advice, facts.BuildLargerBaseline)
    assert (larger.value, larger.constant) == (0.49, 0.68)
    assert verdict_action(verdict_of_window(little)).endswith(
        "A wider margin does not help: 0.1, the smallest that this baseline can show, is more than half of the skill "
        "of the model (log loss 0.49; 0.68 for a constant prediction)."
    )


def test_a_larger_baseline_is_asked_for_if_a_window_as_large_does_not_suffice() -> None:
    enough, more = (known(0, {"log_loss": FEW}, **base(half)) for half in (0.0213, 0.0214))
    assert isinstance(verdict_of_window(enough).advice, facts.EvaluateLongerWindow)
    larger = verdict_of_window(more)
    assert of_type(larger.advice, facts.BuildLargerBaseline).needed == 346_840
    assert verdict_action(larger).endswith(
        "so it takes windows of about 350,000 outcomes to show in nine of ten that a model is as good."
    )


def test_a_margin_is_asked_for_if_a_model_that_is_as_good_would_be_known() -> None:
    near = change("inconclusive", 0.04, 0.02, 0.06, margin=0.05, reason="too_few_rows")
    verdict = verdict_of_window(known(0, {"log_loss": near}, coverage=1.0))
    assert verdict.advice == facts.ChooseMargin("log_loss", 0.04, 0.05)


def test_the_window_to_wait_for_is_the_first_that_has_the_needed_outcomes() -> None:
    undecided = known(0, {"log_loss": FEW}, outcome_rows=100, rows=100, coverage=1.0)
    start = undecided.window.start
    week, quarter = Window("1w", start, start + 7 * DAY), Window("3mo", start, start + 90 * DAY)
    wait = of_type(outcomes_wanted(undecided, VerdictContext(coming=(week, quarter))), facts.WaitForLongerWindow)
    assert (wait.start, wait.end) == (start, quarter.end)
    assert isinstance(outcomes_wanted(undecided, VerdictContext(coming=(week,))), facts.EvaluateLongerWindow)


def test_the_baseline_is_large_enough_for_a_metric_that_decides_in_small_windows_only() -> None:
    of_mape = known(0, {"mape": FEW}, reference={"mape": value(0.5, 0.4, 0.6)})
    assert not isinstance(verdict_of_window(of_mape).advice, facts.BuildLargerBaseline)


def worse(day: int, outcomes: int, accuracy: float, **more: Any) -> Evaluation:
    realized = {"accuracy": value(accuracy)}
    return wrong(day, stands_out=True, realized=realized, outcome_rows=outcomes, rows=outcomes, coverage=1.0, **more)


def advice(*windows: Evaluation) -> Fact | None:
    return verdict_of_model(windows).advice


def test_few_wrong_predictions_are_counted_and_waited_for_instead_of_retraining() -> None:
    wait = facts.WaitToRetrain(outcomes=8, needed=50, wrong=3)
    risk = verdict_of_model([right(0), worse(1, 8, 0.625)])
    assert (risk.state, risk.advice) == ("at_risk", wait)
    degraded = verdict_of_model([worse(0, 8, 0.625)])
    assert (degraded.state, degraded.advice) == ("degraded", wait)
    assert verdict_action(degraded) == (
        "Wait for 50 outcomes before you retrain the model: so far 3 of 8 predictions are wrong."
    )


def test_the_outcomes_of_all_windows_of_a_degradation_count() -> None:
    days = [right(0), *(worse(day, 8, 0.5) for day in range(1, 8))]
    assert advice(*days[:7]) == facts.WaitToRetrain(outcomes=48, needed=50, wrong=24)
    assert isinstance(advice(*days), facts.Recalibrate)


def test_few_outcomes_of_a_number_are_counted_without_wrong_ones() -> None:
    numbers = known(0, {"mae": change("worse", 2.0, 1.0, 3.0)}, outcome_rows=8, rows=8)
    numbers = replace(numbers, realized={"mae": value(4.0, 3.0, 5.0)}, reference={"mae": value(2.0)})
    assert advice(numbers) == facts.WaitToRetrain(outcomes=8, needed=50, wrong=None)


def test_few_outcomes_of_a_slice_are_waited_for() -> None:
    missed = objective("broken", "accuracy", 0.625, slice="country=NL", rule="accuracy >= 0.9 where country=NL")

    def in_slice(rows: int) -> Evaluation:
        slices = {"country=NL": SlicePerformance(rows, {"accuracy": value(0.625)})}
        return right(0, objectives=(missed,), performance_slices=slices)

    assert advice(in_slice(8)) == facts.WaitToRetrain(outcomes=8, needed=50, wrong=3, slice="country=NL")
    assert of_type(advice(in_slice(50)), facts.RetrainWithSlice).slice == "country=NL"


def test_faults_of_few_rows_are_repaired_at_once() -> None:
    missed = objective(metric="availability", number=0.5, rule="availability >= 90 %")
    assert isinstance(advice(right(0, objectives=(missed,), outcome_rows=8, rows=8)), facts.RepairService)
