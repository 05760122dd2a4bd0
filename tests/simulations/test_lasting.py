"""What docs/data/lasting-drift.md says was measured, and a short measurement agrees with it."""

from __future__ import annotations

import numpy as np
import pytest

from simulations.drift.lasting import LASTING, POWER, QUIET, found_after, power_name, quiet_name, series, undated_name

MEASURED = LASTING.figures()
QUIETEST = [case for case in QUIET if case[2] != 0.001]
FOUND = [case for case in POWER if case[1] >= 2]
Quiet = tuple[int, int, float, float]


@pytest.mark.parametrize("case", QUIETEST, ids=lambda case: quiet_name(*case))
def test_at_most_one_quiet_year_in_a_hundred_has_an_alarm_whatever_days_keep(case: Quiet) -> None:
    assert MEASURED[quiet_name(*case)]["alarms"] <= 0.01


def test_without_times_one_day_of_reference_would_alarm_in_most_years_so_nothing_is_told() -> None:
    assert MEASURED[undated_name(1, 0.0)]["alarms"] >= 0.5


@pytest.mark.parametrize("case", FOUND, ids=lambda case: power_name(*case))
def test_what_one_window_does_not_show_is_found_over_sixty(case: tuple[int, float, int, float]) -> None:
    measured = MEASURED[power_name(*case)]
    assert measured["found"] >= 0.7
    assert measured["at_once"] <= 0.35


@pytest.mark.parametrize("keeps", [0.0, 0.9])
def test_a_short_measurement_of_quiet_years_agrees(keeps: float) -> None:
    days = series(np.random.default_rng(11), 100, 10, 14 + 200, 0.02, keeps)
    assert np.isfinite(found_after(days, 14)).sum() <= 2


def test_a_short_measurement_of_a_shift_agrees() -> None:
    late = found_after(series(np.random.default_rng(11), 60, 10, 30 + 60, 0.02, 0.0), 30, 0.29)
    assert np.isfinite(late).mean() >= 0.9
    assert np.median(late) == pytest.approx(23, abs=6)
