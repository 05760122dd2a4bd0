"""What docs/data/lasting-drift.md says was measured, and a short measurement agrees with it."""

from __future__ import annotations

import numpy as np
import pytest

from simulations.drift.lasting import LASTING, POWER, QUIET, found_after, power_name, quiet_name, series

MEASURED = LASTING.figures()
ALONE = [case for case in QUIET if case[3] == 0]
HALF = [case for case in QUIET if case[3] == 0.5 and case[4]]
FOUND = [case for case in POWER if case[1] >= 2]
Quiet = tuple[int, int, float, float, bool]


@pytest.mark.parametrize("case", ALONE, ids=lambda case: quiet_name(*case))
def test_at_most_one_quiet_year_in_a_hundred_has_an_alarm(case: Quiet) -> None:
    assert MEASURED[quiet_name(*case)]["alarms"] <= 0.01


@pytest.mark.parametrize("case", HALF, ids=lambda case: quiet_name(*case))
def test_days_that_keep_half_alarm_in_at_most_three_years_of_a_hundred(
    case: Quiet,
) -> None:
    assert MEASURED[quiet_name(*case)]["alarms"] <= 0.03


@pytest.mark.parametrize("case", FOUND, ids=lambda case: power_name(*case))
def test_what_one_window_does_not_show_is_found_over_sixty(case: tuple[int, float, int, float]) -> None:
    measured = MEASURED[power_name(*case)]
    assert measured["found"] >= 0.8
    assert measured["at_once"] <= 0.35


def test_a_short_measurement_agrees() -> None:
    rng = np.random.default_rng(11)
    quiet = found_after(series(rng, 100, 10, 30 + 200, 0.02, 0.0), 30)
    assert np.isfinite(quiet).sum() <= 1
    late = found_after(series(rng, 60, 10, 30 + 60, 0.02, 0.0), 30, 0.29)
    assert np.isfinite(late).mean() >= 0.95
    assert np.median(late) == pytest.approx(12, abs=4)
