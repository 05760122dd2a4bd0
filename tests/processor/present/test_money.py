"""Money in words: never surer than its interval, and with what is not known."""

from __future__ import annotations

import pytest
from driftline_processor.core.performance.daily_loss import DailyLoss
from driftline_processor.present.money import amount_text, loss_sentence, loss_words

DAY = 86_400 * 10**9


def loss(amount: float, low: float | None, high: float | None, coverage: float | None = 1.0) -> DailyLoss:
    return DailyLoss("cost_per_prediction", amount, low, high, 900.0, coverage, 0, DAY)


@pytest.mark.parametrize(
    ("daily_loss", "begins", "amount"),
    [
        (loss(1234.0, 310.0, 2150.0), "It loses EUR", "EUR 1,230 a day (310 to 2,150)"),
        (loss(-40.0, -60.0, -20.0), "It loses nothing", "EUR 40 a day (20 to 60)"),
        (loss(10.0, -5.0, 25.0), "Whether it loses money is inconclusive", "EUR 10 a day (−5 to 25)"),
        (loss(10.0, None, None), "It seems to lose", "EUR 10 a day"),
    ],
    ids=["loses", "gains", "may be none", "no interval"],
)
def test_a_sentence_is_as_certain_as_the_interval_of_the_loss(daily_loss: DailyLoss, begins: str, amount: str) -> None:
    sentence = loss_sentence(daily_loss, "EUR")
    assert sentence.startswith(begins)
    assert amount in sentence


def test_missing_outcomes_are_part_of_the_sentence() -> None:
    assert "40 % of the predictions" in loss_sentence(loss(9, 1, 19, 0.4), "EUR")
    assert "unknown" in loss_sentence(loss(9, 1, 19, None), "EUR")
    assert "outcomes" not in loss_sentence(loss(9, 1, 19), "EUR").lower()


def test_amounts_have_three_digits_and_no_amount_is_a_dash() -> None:
    assert amount_text(123_456, "USD") == "USD 123,000"
    assert amount_text(0.00456, "USD") == "USD 0.00456"
    assert amount_text(None, "USD") == "–"
    assert loss_words(loss(-1234.0, -2000.0, 3.0), "USD") == "USD −1,230 a day (−2,000 to 3)"
