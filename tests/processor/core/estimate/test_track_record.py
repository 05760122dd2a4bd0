"""The track record of estimates: failed where labels show it; and worse than the baseline where an interval says so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.estimate.track_record import LAST, estimated_changes, standing, with_track_records
from driftline_processor.core.evaluation import Estimate, Evaluation, Maturity, TrackRecord
from driftline_processor.core.windows.window import Window
from driftline_processor.present.sections.estimates import (
    estimate_interval,
    estimate_sentence,
    track_record_sentence,
)
from msgspec import structs
from msgspec.structs import replace

HOUR = 3_600 * 10**9


def windows(errors: Sequence[float | None], deviation: float = 0.01, metric: str = "accuracy") -> list[Evaluation]:
    """A window an hour, each with an estimate and how far off it was; None = no label has come."""
    made = []
    for at, error in enumerate(errors):
        one = Estimate(0.9, 0.88, 0.92, deviation, 0.87, 0.93, False, 900, "panes", "cbpe", 0.9, error, deviation)
        one = replace(one, error_deviation=None if error is None else deviation)
        window = Window("1h", at * HOUR, (at + 1) * HOUR)
        made.append(Evaluation(ModelKey("m"), window, 900, True, estimated={metric: one}))
    return made


def states(errors: Sequence[float | None], deviation: float = 0.01) -> list[str]:
    return [one.estimated["accuracy"].record.state for one in with_track_records(windows(errors, deviation))]


def test_two_windows_that_are_missed_by_far_make_a_record_fail_and_ten_right_ones_forgive_it() -> None:
    assert states([0.01, -0.18, None, -0.17, None]) == ["unknown", "unknown", "unknown", "failed", "failed"]
    assert states([0.01] * 3 + [None]) == ["unknown", "unknown", "ok", "ok"]
    assert states([-0.18, -0.18, *[0.0] * LAST])[-3:] == ["failed", "ok", "ok"]


def test_windows_after_a_failed_record_have_no_interval_until_it_is_right_again() -> None:
    found = with_track_records(windows([-0.18, None, -0.17, None, *[0.0] * LAST, None]))
    reasons = [one.estimated["accuracy"].reason for one in found]
    assert reasons[:3] == [None] * 3, "outcomes of its own do not take back what a window was promised"
    assert reasons[3] == "record_failed"
    assert (found[3].estimated["accuracy"].low, found[3].estimated["accuracy"].high) == (None, None)
    assert found[3].estimated["accuracy"].value == 0.9
    assert reasons[-1] is None
    assert estimate_interval(found[3].estimated["accuracy"]).startswith("no interval: outcomes showed")


def test_what_is_of_no_matter_fails_nothing_however_many_rows_prove_it() -> None:
    assert states([0.015] * 5, deviation=0.001)[-1] == "ok"
    assert states([0.03] * 5, deviation=0.001)[-1] == "failed"
    assert states([0.15] * 5, deviation=0.06)[-1] == "ok", "chance explains it"


def test_a_loss_is_measured_against_the_references() -> None:
    near, far = (with_track_records(windows([error] * 3, 0.01, "log_loss"))[-1] for error in (0.08, 0.1))
    assert (near.estimated["log_loss"].record.state, far.estimated["log_loss"].record.state) == ("ok", "failed")


def test_a_window_keeps_its_business_series() -> None:
    (made,) = windows([0.01])
    made.business = {"conversion": 0.03}
    assert [one.business for one in with_track_records([made])] == [{"conversion": 0.03}]


@pytest.mark.parametrize("maturity", ["open", "immature"])
def test_windows_whose_outcomes_are_not_final_judge_nothing(maturity: Maturity) -> None:
    found = [replace(one, maturity=maturity) for one in windows([-0.2] * 5)]
    assert with_track_records(found)[-1].estimated["accuracy"].record.windows == 0


def test_a_failed_estimate_stands_as_failed_whatever_its_bounds_say() -> None:
    last = with_track_records(windows([-0.1, -0.18]))[-1].estimated
    assert standing(last["accuracy"]) == "failed"
    record = last["accuracy"].record
    assert (record.missed, record.windows) == (2, 2)
    assert record.mean_error == pytest.approx(-0.14)
    assert estimate_sentence(last).endswith(track_record_sentence("accuracy", record))
    none = with_track_records(windows([None]))[-1].estimated["accuracy"]
    assert (none.record.state, none.record.windows) == ("unknown", 0)


@pytest.mark.slow
def test_right_estimates_seldom_fail_and_wrong_ones_soon_do() -> None:
    rng, runs, days = np.random.default_rng(1), 400, 90
    noise = rng.normal(0, 0.01, (runs, days))
    quiet = sum("failed" in states(row.tolist()) for row in noise)
    assert quiet / runs <= 0.02
    late = [states((row[:5] - 0.05).tolist()).index("failed") for row in noise[:50]]
    assert np.mean(late) <= 1.5


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
