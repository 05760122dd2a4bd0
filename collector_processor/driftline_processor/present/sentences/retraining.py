"""Words for the value of retraining: the answer in one sentence, and its reasons."""

from __future__ import annotations

from collections.abc import Iterator

from driftline_processor.core import facts
from driftline_processor.core.retraining.decision import LossChange, RetrainAnswer, RetrainCost, RetrainQuestion
from driftline_processor.present.wording import format_percent, format_value, listed, short

from .register import clause, voice_of, worded, words_as, words_of

_FACTORS = {
    "value": "what one unit of the metric costs (value)",
    "predictions": "how many predictions the horizon has (predictions)",
    "cost": "what retraining costs (cost, a price sheet, or a recorded training run)",
}


@worded
def retraining_sentence(answer: RetrainAnswer) -> str:
    """Return whether to retrain, and why, in one sentence."""
    if answer.reason is not None:
        whether = "Wait" if answer.answer == "wait" else "It is inconclusive whether retraining pays"
        return f"{whether}: {clause(answer.reason)}."
    cost = answer.question.cost or RetrainCost(0.0)
    price, gain = _money(cost.amount, cost.currency), _money(answer.gain or 0.0, cost.currency)
    low, high = _money(answer.gain_low or 0.0, ""), _money(answer.gain_high or 0.0, cost.currency)
    over = f"over {format_value(answer.question.horizon)} days"
    if answer.answer in ("retrain", "wait"):
        head = "Retrain: it" if answer.answer == "retrain" else "Wait: retraining"
        return f"{head} is expected to bring {gain} {over} ({low} to {high}) and costs {price}."
    return (
        f"It is inconclusive so far whether retraining pays: it would bring between {low} and {high} {over}, and costs "
        f"{price}."
    )


def retraining_reasons(answer: RetrainAnswer) -> list[str]:
    """Return the reasons of the answer, a clause each."""
    if answer.question.loss is None:
        return [clause(answer.reason)]
    return [voice_of(reason) for reason in _reasons(answer, answer.question.loss)]


def _reasons(answer: RetrainAnswer, loss: LossChange) -> Iterator[str]:
    if answer.reason is not None and not isinstance(answer.reason, facts.LossNotWorse):
        yield clause(answer.reason)
    if answer.reason is None and answer.answer == "inconclusive":
        yield _outcomes_needed(answer.outcomes_needed, loss.outcomes)
    ends = f"{format_value(loss.low)} to {format_value(loss.high)}"
    yield (
        f"{_metric_words(loss.metric)} is {format_value(loss.current)}, the baseline's {format_value(loss.reference)}: "
        f"worse by {format_value(loss.degradation)} ({ends}), from {loss.outcomes:,} outcomes"
    )
    yield from _factors(answer, answer.question)
    if answer.pays_from is not None and answer.pays_from > 1:
        yield "retraining would not pay even if it recovered all of the degradation"
    elif answer.pays_from is not None:
        yield f"retraining could pay if it recovered {format_percent(answer.pays_from)} of the degradation or more"


def _outcomes_needed(needed: int | None, outcomes: int) -> str:
    if needed is None:
        why = "gain and cost are too close, or the baseline's own value is too uncertain"
        return f"no number of outcomes of one window would be enough: {why}"
    return f"a window of {needed:,} outcomes would be enough, {needed - outcomes:,} more than this window has"


def _factors(answer: RetrainAnswer, question: RetrainQuestion) -> Iterator[str]:
    if question.value_per_unit is not None:
        unit = "each unit" if question.loss is None else f"each unit of {_metric_words(question.loss.metric)}"
        yield f"{unit} costs {format_value(question.value_per_unit)} per prediction"
    if question.predictions is not None:
        yield f"{question.predictions:,.0f} predictions are expected in {format_value(question.horizon)} days"
    recovered = f"{format_percent(answer.recovered.value)} of the degradation"
    if question.share is not None:
        yield f"retraining recovers {recovered}, as specified"
    elif answer.recovered.runs:
        yield f"retraining recovers {recovered}, {_median(answer.recovered.runs, 'past retraining')}"
    else:
        yield f"retraining is assumed to recover {recovered}, because no past retraining shows how much it recovers"
    if question.cost is not None:
        cost = question.cost
        source = {"given": "as specified", "price sheet": "according to the price sheet"}
        by = source.get(cost.source) or _median(cost.runs, "past run")
        yield f"retraining costs {_money(cost.amount, cost.currency)}, {by}"


def _median(runs: int, name: str) -> str:
    return f"the {name}" if runs == 1 else f"the median of {runs} {name}s"


def _metric_words(metric: str) -> str:
    return f"the {metric.replace('_', ' ')}"


def _money(amount: float, currency: str) -> str:
    digits = f"{amount:,.2f}" if abs(amount) < 1e12 else f"{amount:.3g}"
    return f"{digits} {short(currency)}".strip()


@words_of(facts.LossNotCompared)
def _loss_not_compared(fact: facts.LossNotCompared) -> str:
    return f"{fact.metric} is not compared with the baseline; available: {', '.join(fact.compared) or 'none'}"


@words_of(facts.NoMetricOfLoss)
def _no_metric_of_loss(fact: facts.NoMetricOfLoss) -> str:
    return f"the model has none of the metrics that have a value per prediction: {', '.join(fact.metrics)}"


@words_of(facts.LossWithoutInterval)
def _loss_without_interval(fact: facts.LossWithoutInterval) -> str:
    return f"{_metric_words(fact.metric)} has no interval yet: too few outcomes"


@words_of(facts.LossNotWorse)
def _loss_not_worse(fact: facts.LossNotWorse) -> str:
    return f"{_metric_words(fact.metric)} is not worse than the baseline's, so there is nothing to recover"


@words_of(facts.RetrainingDoesNotHelp)
def _retraining_does_not_help(fact: facts.RetrainingDoesNotHelp) -> str:
    if fact.change == "service":
        return "the service fails, which retraining cannot fix"
    if fact.change == "output_fault":
        return "the scores are faulty, which retraining cannot fix"
    return "a fault in the data explains the worse results: fix the fault first, or the new version learns it"


@words_of(facts.FactorsLacking)
def _factors_lacking(fact: facts.FactorsLacking) -> str:
    return f"missing: {listed([_FACTORS[name] for name in fact.names])}"


words_as(
    {
        facts.NoFinalOutcomes: "no window has outcomes for which the outcome delay has passed",
        facts.BaselineWithoutOutcomes: "the baseline has no outcomes, so the expected error of the model is unknown",
        facts.NoWindowCompared: "no window with outcomes can be compared with the baseline",
        facts.FactorsTooLarge: "the factors are too large to multiply",
        facts.RunFailed: "the run failed: {error}",
        facts.NoOutcomesAfterRun: "no window after the run has outcomes yet",
        facts.NoOutcomesBeforeRun: "no window before the run has outcomes",
        facts.NoBaselineOutcomesBeforeRun: "before the run, the baseline had no outcomes",
        facts.NotWorseBeforeRun: "before the run, the model was not significantly worse than its baseline",
        facts.NoOutcomesYet: "no window has outcomes yet",
    }
)
