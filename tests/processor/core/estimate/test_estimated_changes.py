"""An estimate is worse than the baseline where its interval says so and quiet windows are not estimated so."""

from __future__ import annotations

import numpy as np
import pytest
from driftline_processor.core.estimate.track_record import estimated_changes
from driftline_processor.core.evaluation import Estimate, TrackRecord
from msgspec import structs
from msgspec.structs import replace

BAD = Estimate(0.84, 0.82, 0.86, 0.01, 0.87, 0.93, True, 900, "panes", "cbpe", 0.9)


def state(estimate: Estimate) -> str:
    return estimated_changes({"accuracy": estimate})["accuracy"].state


def test_is_worse_beyond_its_interval_and_the_bounds() -> None:
    change = estimated_changes({"accuracy": BAD})["accuracy"]
    assert change.state == "worse"
    assert (change.change, change.low, change.high) == pytest.approx((-0.06, -0.08, -0.04))


def test_cannot_be_told_where_quiet_windows_are_estimated_so_too() -> None:
    assert state(replace(BAD, lower_bound=0.7, upper_bound=1.0)) == "inconclusive"


@pytest.mark.parametrize(
    "withheld",
    [replace(BAD, low=None, high=None, reason="not_comparable"), replace(BAD, record=TrackRecord("failed", 5, 2))],
)
def test_without_an_interval_or_after_a_failed_record_says_nothing(withheld: Estimate) -> None:
    change = estimated_changes({"accuracy": withheld})["accuracy"]
    assert (change.state, change.low, change.high, change.p_value) == ("inconclusive", None, None, None)


def test_of_a_model_as_good_with_narrow_bounds_is_not_worse() -> None:
    assert (
        state(structs.replace(BAD, value=0.901, low=0.895, high=0.907, lower_bound=0.89, upper_bound=0.91))
        == "not_worse"
    )


def test_of_a_loss_is_worse_where_it_is_greater() -> None:
    loss = Estimate(0.5, 0.48, 0.52, 0.01, 0.37, 0.43, True, 900, "panes", "cbpe", 0.4)
    assert estimated_changes({"log_loss": loss})["log_loss"].state == "worse"


def test_quiet_estimates_are_called_worse_in_one_window_of_a_hundred_at_most() -> None:
    rng = np.random.default_rng(4)
    worse = 0
    for _ in range(3_000):
        values = 0.9 + 0.01 * rng.normal(size=4)
        found = {
            name: structs.replace(BAD, value=float(value), low=float(value) - 0.002, high=float(value) + 0.002)
            for name, value in zip(("accuracy", "f1", "recall", "precision"), values, strict=True)
        }
        worse += any(change.state == "worse" for change in estimated_changes(found).values())
    assert 0.003 < worse / 3_000 < 0.014
