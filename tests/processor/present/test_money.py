"""Money in words: never surer than its interval, and with what is not known."""

from __future__ import annotations

import pytest
from driftline_processor.core.performance.daily_loss import DailyLoss
from driftline_processor.present.money import amount_text, loss_sentence, loss_words

DAY = 86_400 * 10**9


def loss(amount: float, low: float | None, high: float | None, coverage: float | None = 1.0) -> DailyLoss:
    return DailyLoss("cost_per_prediction", amount, low, high, 900.0, coverage, 0, DAY)


@pytest.mark.parametrize(
    ("said", "begins"),
    [
        (loss(1234.0, 310.0, 2150.0), "It loses EUR 1,230 a day (310 to 2,150) by what its decisions cost beyond"),
        (loss(-40.0, -60.0, -20.0), "It loses nothing: it gains EUR 40 a day (20 to 60) beside the baseline"),
        (loss(10.0, -5.0, 25.0), "Whether it loses money cannot be told: EUR 10 a day (−5 to 25)"),
        (loss(10.0, None, None), "It seems to lose EUR 10 a day by what"),
    ],
    ids=["loses", "gains", "may be none", "no interval"],
)
def test_a_loss_is_said_as_surely_as_its_interval_allows(said: DailyLoss, begins: str) -> None:
    assert loss_sentence(said, "EUR").startswith(begins)


def test_what_is_not_known_is_said() -> None:
    assert "Outcomes of 40 % of the predictions are known" in loss_sentence(loss(9, 1, 19, 0.4), "EUR")
    assert "nobody can tell" in loss_sentence(loss(9, 1, 19, None), "EUR")
    assert "Outcomes" not in loss_sentence(loss(9, 1, 19), "EUR")


def test_amounts_have_three_digits_and_no_amount_is_a_dash() -> None:
    assert amount_text(123_456, "USD") == "USD 123,000"
    assert amount_text(0.00456, "USD") == "USD 0.00456"
    assert amount_text(None, "USD") == "–"
    assert loss_words(loss(-1234.0, -2000.0, 3.0), "USD") == "USD −1,230 a day (−2,000 to 3)"
