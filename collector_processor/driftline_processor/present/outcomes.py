"""Sentences on the delay of outcomes and the label SLA."""

from __future__ import annotations

from driftline_processor.core.evaluation import Delay, Evaluation, SlaResult
from driftline_processor.core.labels.delay import BOUNDS, FEW, QUANTILES, SHARE, OutcomeDelay
from driftline_processor.present.wording import duration

from .numbers import count, percent

_SECOND = 10**9


def lateness(evaluation: Evaluation) -> str:
    r"""Return the delay of a window's outcomes and the result of its label SLA; "" if neither is known.

    >>> from driftline.tables.table import ModelKey
    >>> from driftline_processor.core.windows.window import Window
    >>> day = 86_400
    >>> said = lateness(Evaluation(ModelKey("churn"), Window("1d", 0, day * 10**9), 500, True,
    ...     delay=Delay(400, day, 5 * day, None), label_sla=SlaResult("met", 7 * day * 10**9, 0.7, 0.78, 0.78, 500)))
    >>> print(said.replace(". ", ".\n"))
    Half of its outcomes arrived within 1d, 90 % within 5d, some later than 730d.
    Label SLA met: 78 % of predictions had their outcome within 7d; the agreed minimum is 70 %.
    """
    sentences = [] if evaluation.delay is None else [_came(evaluation.delay)]
    if evaluation.label_sla is not None:
        sentences.append(_sla_sentence(evaluation.label_sla))
    return " ".join(sentences)


def delay_sentence(delay: OutcomeDelay) -> str:
    """Return the maximum delay of outcomes and its source.

    >>> print(delay_sentence(OutcomeDelay(2 * 86_400 * 10**9, "learned", 1200)))
    Outcomes take up to 2d: 95 % of 1,200 arrived within that time.
    >>> print(delay_sentence(OutcomeDelay(60 * 10**9, "configured")))
    Outcomes may take up to 1m, as set by outcome_delay in driftline.yaml.
    """
    took = duration(delay.nanoseconds)
    if delay.source == "configured":
        return f"Outcomes may take up to {took}, as set by outcome_delay in driftline.yaml."
    if delay.source == "unknown":
        return "The outcome delay is unknown so far: no outcome with a time has arrived."
    if delay.outcomes < FEW:
        count_words = "the only one arrived" if delay.outcomes == 1 else f"all {delay.outcomes} arrived"
        return f"Outcomes take up to {took}: {count_words} within that time."
    return f"Outcomes take up to {took}: {percent(SHARE)} of {count(delay.outcomes)} arrived within that time."


def _came(delay: Delay) -> str:
    within = dict(zip((delay.median, delay.p90, delay.p99), QUANTILES, strict=True))  # ties: the largest
    beyond = within.pop(None, None) is not None
    shares = {0.5: "half", 0.9: "90 %", 0.99: "99 %"}
    parts = [
        f"{shares[share]} within {duration(bound * _SECOND)}" for bound, share in within.items() if bound is not None
    ]
    if not parts:
        return f"Half of its outcomes or more arrived later than {duration(BOUNDS[-1] * _SECOND)}."
    first, separator, bound = parts[0].partition(" within ")
    parts[0] = f"{first} of its outcomes arrived{separator}{bound}"
    if beyond:
        parts.append(f"some later than {duration(BOUNDS[-1] * _SECOND)}")
    sentence = ", ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _sla_sentence(sla: SlaResult) -> str:
    low, high, within = percent(sla.low), percent(sla.high), f"their outcome within {duration(sla.within)}"
    must = f"the agreed minimum is {percent(sla.coverage)}"
    if sla.state == "inconclusive":
        return f"Label SLA inconclusive so far: {low} of predictions had {within}, and up to {high} still can; {must}."
    return f"Label SLA {sla.state}: {low if low == high else f'{low} to {high}'} of predictions had {within}; {must}."
