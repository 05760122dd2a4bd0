"""Cycles of a reference are found without being asked for, and not where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.cycles import LEVEL, _cycle_chances
from driftline.tables.table import F64
from driftline.tables.timestamps import DAY, HOUR, Seasonality

from tests.support.unwrap import unwrap

START = 1_767_225_600 * 10**9


def built(values: F64, hour: Any, **options: Any) -> Baseline:
    frame = {"x": values, "p": np.zeros(len(values)), "time": START + hour * HOUR}
    return Baseline.from_frame(frame, score="p", time="time", model="m", task="regression", features=["x"], **options)


def world(days: int, daily: float = 0.0, weekend: float = 0.0, alike: float = 0.0, seed: int = 1) -> tuple[F64, Any]:
    rng = np.random.default_rng(seed)
    hour = np.repeat(np.arange(days * 24), 20)
    own = rng.normal(size=days)[hour // 24] * np.sqrt(alike)
    level = daily * np.cos(2 * np.pi * (hour % 24) / 24) + weekend * (hour // 24 % 7 >= 5)
    return own + level + rng.normal(size=len(hour)), hour


def test_a_cycle_of_a_quarter_of_a_standard_deviation_is_found_in_a_week() -> None:
    seasons = unwrap(built(*world(7, daily=0.25)).extras.seasons)
    assert seasons.is_detected
    assert seasons.seasonality == Seasonality("hour")
    assert set(seasons.by_part) == {"feature:x"}  # a score that is always the same repeats nothing


@pytest.mark.parametrize(("daily", "kind"), [(0.0, "weekday"), (0.5, "hour_of_week")])
def test_four_weeks_tell_weekdays_and_three_do_not(daily: float, kind: str) -> None:
    seasons = unwrap(built(*world(28, daily, weekend=1.0)).extras.seasons)
    assert seasons.seasonality.kind == kind
    short = built(*world(21, daily, weekend=1.0)).extras.seasons
    assert (None if short is None else short.seasonality.kind) == (None if kind == "weekday" else "hour")


@pytest.mark.parametrize("alike", [0.0, 0.1])
@pytest.mark.parametrize("trend", [0.0, 3.0])
def test_days_that_differ_and_a_trend_are_no_cycle(alike: float, trend: float) -> None:
    values, hour = world(30, alike=alike, seed=4)
    assert built(values + trend * hour / hour.max(), hour).extras.seasons is None


def test_what_repeats_by_the_clock_of_a_place_is_found_through_a_change_of_clocks() -> None:
    hour = np.repeat(np.arange(60 * 24), 5)
    start = 1_772_323_200 * 10**9  # 2026-03-01; clocks change on the 29th
    local = Seasonality("hour", "Europe/Paris").of(start + hour * HOUR)
    values = np.cos(2 * np.pi * local / 24) + np.random.default_rng(3).normal(size=len(hour))
    frame = {"x": values, "p": values, "time": start + hour * HOUR}
    found = Baseline.from_frame(frame, score="p", time="time", model="m", task="regression", timezone="Europe/Paris")
    assert unwrap(found.extras.seasons).seasonality == Seasonality("hour", "Europe/Paris")


def test_a_reference_without_times_is_searched_for_nothing() -> None:
    values, _ = world(7, daily=2.0)
    plain = Baseline.from_frame({"x": values, "p": values}, score="p", model="m", task="regression")
    assert plain.extras.seasons is None


def test_none_is_searched_for_nothing() -> None:
    assert built(*world(7, daily=2.0), seasonality="none").extras.seasons is None


def test_found_seasons_are_found_ones_after_json() -> None:
    baseline = built(*world(7, daily=1.0))
    again = Baseline.from_json(baseline.to_json())
    assert again.to_json() == baseline.to_json()
    assert unwrap(again.extras.seasons).is_detected


def hourly(rng: np.random.Generator, days: int, many: int, keeps: float, alike: float) -> F64:
    """Means of hours of 200 rows, of many references at once; days that keep some of the one before."""
    days_differ = rng.normal(size=(days, many))
    for day in range(1, days):
        days_differ[day] = keeps * days_differ[day - 1] + np.sqrt(1 - keeps**2) * days_differ[day]
    noise: F64 = rng.normal(size=(days * 24, many)) / np.sqrt(200)
    means: F64 = noise + np.sqrt(alike) * np.repeat(days_differ, 24, axis=0)
    return means


@pytest.mark.parametrize("days", [7, 28])
@pytest.mark.parametrize(("keeps", "alike"), [(0.0, 0.0), (0.0, 0.02), (0.7, 0.1)])
def test_at_most_one_in_a_hundred_references_without_a_cycle_has_one(days: int, keeps: float, alike: float) -> None:
    values = hourly(np.random.default_rng(days), days, 2_000, keeps, alike)
    at = np.arange(days * 24) / 24
    p = _cycle_chances(at, values, np.ones(len(at)), days)
    daily = np.mean(p <= LEVEL / 2)
    assert daily <= LEVEL
    if days >= 28:
        by_day = values.reshape(days, 24, -1).mean(axis=1)
        weekly = _cycle_chances(np.arange(days) * DAY / (7 * DAY), by_day, np.ones(days), days // 7)
        assert daily + np.mean(weekly <= LEVEL / 2) <= 1.5 * LEVEL  # 20 of 2,000, and their standard error twice
