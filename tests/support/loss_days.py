"""Days of a binary model whose log loss is known with an error."""

from __future__ import annotations

import numpy as np
from driftline_processor.core.evaluation import Evaluation, MetricChange, MetricValue
from msgspec.structs import replace

from .verdict_windows import known, value

ERROR, MARGIN = 0.03, 0.04
"""Standard error of a day's log loss, and the margin."""

REFERENCE = {"log_loss": value(0.5, 0.495, 0.505)}


def day(number: int, loss: float, rows: int = 500, error: float = ERROR) -> Evaluation:
    """Return a day whose log loss is known with an error, and compared with the baseline as `judge_changes` does."""
    low, high = loss - 1.96 * error, loss + 1.96 * error
    change, reach = loss - 0.5, 1.96 * error
    state = "worse" if change > 3.1 * error else "not_worse" if change + reach < MARGIN else "inconclusive"
    moved = MetricChange(state, change, change - reach, change + reach, margin=MARGIN, error=error)  # type: ignore[arg-type]
    realized = {"log_loss": MetricValue(loss, rows, "panes", low=low, high=high, interval="blocks")}
    return replace(
        known(number, {"log_loss": moved}, reference=REFERENCE, realized=realized), rows=rows, outcome_rows=rows
    )


def days(*losses: float, seed: int = 1) -> list[Evaluation]:
    noise = np.random.default_rng(seed).normal(0, ERROR, len(losses))
    return [day(number, loss + float(noise[number])) for number, loss in enumerate(losses)]
