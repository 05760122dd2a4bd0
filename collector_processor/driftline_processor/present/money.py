"""Amounts of money in the configured currency, and a model's loss per day."""

from __future__ import annotations

from driftline_processor.core.performance.daily_loss import DailyLoss
from driftline_processor.present.times import span_words

from .numbers import MINUS, UNKNOWN, number, percent

_BASES = {
    "cost_per_prediction": "through decisions that cost more than the baseline's",
    "value_per_prediction": "through outcomes that are worth less than the baseline's",
    "": "compared with the baselines",
}


def amount_text(amount: float | None, currency: str) -> str:
    """Return an amount with three digits after its currency.

    >>> amount_text(1234.5, "EUR"), amount_text(-0.5, "EUR"), amount_text(None, "EUR")
    ('EUR 1,230', 'EUR −0.5', '–')
    """
    if amount is None:
        return UNKNOWN
    return f"{currency} {_digits(amount)}"


def loss_words(loss: DailyLoss, currency: str) -> str:
    """Return a loss per day with its interval, for a table.

    >>> one = DailyLoss("cost_per_prediction", 1234.5, 310.0, 2150.0, 900.0, 0.62, 0, 86_400 * 10**9)
    >>> loss_words(one, "EUR")
    'EUR 1,230 a day (310 to 2,150)'
    """
    ends = "" if loss.low is None or loss.high is None else f" ({_digits(loss.low)} to {_digits(loss.high)})"
    return f"{amount_text(loss.amount, currency)} a day{ends}"


def loss_sentence(loss: DailyLoss, currency: str, timezone: str = "UTC") -> str:
    """Return a model's loss per day, its certainty, and the fraction of predictions without outcome.

    >>> loss = DailyLoss("cost_per_prediction", 1234.5, 310.0, 2150.0, 900.0, 0.62, 0, 86_400 * 10**9)
    >>> sentence = loss_sentence(loss, "EUR")
    >>> sentence[:92]
    "It loses EUR 1,230 a day (310 to 2,150) through decisions that cost more than the baseline's"
    >>> sentence[110:]
    'The outcomes of 62 % of the predictions are known; the others are assumed to be like them.'
    """
    when = span_words(loss.start, loss.end, timezone)
    amount = f"{loss_words(loss, currency)} {_BASES.get(loss.metric, _BASES[''])}, {when}"
    if loss.low is None or loss.high is None:
        sentence = f"It seems to lose {amount}; the confidence interval of this amount is unknown."
    elif loss.low > 0:
        sentence = f"It loses {amount}."
    elif loss.high < 0:
        gain = DailyLoss(loss.metric, -loss.amount, -loss.high, -loss.low, *_period(loss))
        sentence = f"It loses nothing: it gains {loss_words(gain, currency)} compared with the baseline, {when}."
    else:
        sentence = f"Whether it loses money is inconclusive: {amount}."
    return sentence + _uncovered(loss)


def _period(loss: DailyLoss) -> tuple[float, float | None, int, int]:
    return loss.predictions, loss.coverage, loss.start, loss.end


def _uncovered(loss: DailyLoss) -> str:
    if loss.coverage is None:
        return " The fraction of predictions with a known outcome is unknown."
    if loss.coverage >= 1:
        return ""
    coverage = percent(loss.coverage)
    return f" The outcomes of {coverage} of the predictions are known; the others are assumed to be like them."


def _digits(amount: float) -> str:
    rounded = float(f"{amount:.3g}")
    return number(rounded) if abs(rounded) < 1000 else f"{rounded:,.0f}".replace("-", MINUS)
