"""ADWIN against River's: the same alarms and the same buckets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from driftline.tables.table import F64, I64
from driftline_processor.core.concept import adwin
from driftline_processor.core.concept.adwin import DELTA, Adwin, Days
from driftline_processor.core.concept.losses import Kind
from driftline_processor.core.windows.window import DAY
from river import drift as river_drift


def river_adwin(delta: float = DELTA) -> Any:
    drift: Any = river_drift
    return drift.ADWIN(delta=delta)


def alarms_of_river(values: F64) -> list[int]:
    alarms, detector = list[int](), river_adwin()
    for at, value in enumerate(values.tolist()):
        detector.update(value)
        if detector.drift_detected:
            alarms.append(at)
            detector = river_adwin()
    return alarms


def alarms_of_ours(values: F64, rng: np.random.Generator) -> list[int]:
    """Return the places of our alarms, fed in pieces of any length."""
    alarms, start, detector = list[int](), 0, Adwin()
    while start < len(values):
        end = start + int(rng.integers(1, 3_000))
        alarm = detector.first_alarm(values[start:end])
        if alarm >= 0:
            alarms.append(start + alarm)
            detector = Adwin()
        start = end if alarm < 0 else start + alarm + 1
    return alarms


def stationary(rng: np.random.Generator, n: int) -> F64:
    return np.full(n, rng.choice([0.0, 0.01, 0.1, 0.3, 0.5, 1.0]))


def abrupt(rng: np.random.Generator, n: int) -> F64:
    return np.repeat(rng.choice([0.02, 0.1, 0.2, 0.3, 0.5, 0.8], 4), -(-n // 4))[:n]


def gradual(rng: np.random.Generator, n: int) -> F64:
    return rng.random() + rng.uniform(-1, 1) * np.arange(n) / n


def stream(kind: Kind, level: F64, rng: np.random.Generator) -> F64:
    """Draw errors at these rates, or losses about twice these levels, some of them heavy-tailed."""
    if kind == "error":
        return (rng.random(len(level)) < level).astype(np.float64)
    spread = rng.standard_t(3, len(level)) if rng.random() < 0.5 else rng.normal(size=len(level))
    return np.clip(spread + 2 * level, -4, 4)


@pytest.mark.parametrize("levels", [stationary, abrupt, gradual])
@pytest.mark.parametrize("kind", ["error", "loss"])
def test_alarms_are_those_of_river(kind: Kind, levels: Callable[[np.random.Generator, int], F64]) -> None:
    rng, count = np.random.default_rng([40, 3_000, len(levels.__name__)]), 0
    for _ in range(40):
        values = stream(kind, levels(rng, 3_000), rng)
        expected = alarms_of_river(values)
        assert alarms_of_ours(values, rng) == expected
        count += len(expected)
    assert count > 0 or levels is stationary


@pytest.mark.simulation
@pytest.mark.parametrize("kind", ["error", "loss"])
def test_alarms_are_those_of_river_on_a_thousand_streams_of_each_kind(kind: Kind) -> None:
    rng = np.random.default_rng(15)
    for levels in (stationary, abrupt, gradual):
        for _ in range(1_000):
            values = stream(kind, levels(rng, int(rng.integers(1, 6_000))), rng)
            assert alarms_of_ours(values, rng) == alarms_of_river(values)


@pytest.mark.parametrize("kind", ["error", "loss"])
def test_the_window_is_that_of_river_to_the_last_bit(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adwin, "DELTA", 1e-9)  # no alarm
    rng = np.random.default_rng(3)
    values = stream(kind, np.full(40_000, 0.2), rng)
    ours, river, fed = Adwin(), river_adwin(1e-9), 0
    for end in (32, 64, 96, 1_024, 6_400, 20_000, 40_000):
        assert ours.first_alarm(values[fed:end]) == -1
        for value in values[fed:end].tolist():
            river.update(value)
        fed = end
        assert (ours.n, ours.total, ours.squares) == (river.width, river.total, river.variance)
        assert sum(map(len, ours.buckets)) < 100


PER_DAY = 500
BETWEEN = 0.02
"""Variance between days, relative to that of a row."""


def errors_of_days(days: int, seed: int, rise: float = 0.0) -> tuple[F64, I64]:
    """Errors whose rate differs from day to day and, from the middle on, is higher; and the times of their rows."""
    rng = np.random.default_rng(seed)
    rate = 0.2 + rng.normal(0, np.sqrt(BETWEEN * 0.2 * 0.8), days) + rise * (np.arange(days) >= days // 2)
    values = (rng.random((days, PER_DAY)) < rate.clip(0, 1)[:, np.newaxis]).astype(np.float64).ravel()
    return values, np.arange(len(values), dtype=np.int64) * (DAY // PER_DAY)


def first_alarm_of_days(values: F64, times: I64, between: float, pieces: int) -> int:
    detector = Adwin()
    for start in range(0, len(values), pieces):
        part = slice(start, start + pieces)
        alarm = detector.first_alarm(values[part], Days(between, times[part]))
        if alarm >= 0:
            return start + alarm
    return -1


def test_days_that_differ_are_no_change_if_their_variance_is_known() -> None:
    streams = [errors_of_days(60, seed) for seed in range(20)]
    known = [first_alarm_of_days(*stream, BETWEEN, 1_000) for stream in streams]
    unknown = [first_alarm_of_days(*stream, 0.0, 1_000) for stream in streams]
    assert sum(alarm >= 0 for alarm in unknown) >= 15
    assert sum(alarm >= 0 for alarm in known) == 0


def test_a_lasting_rise_is_found_among_days_that_differ() -> None:
    alarms = [first_alarm_of_days(*errors_of_days(120, seed, 0.15), BETWEEN, 1_000) for seed in range(10)]
    assert all(alarm >= 60 * PER_DAY for alarm in alarms)
    assert np.median(alarms) < 75 * PER_DAY


@pytest.mark.parametrize("pieces", [1, 31, 32, 33, 4_999])
def test_days_do_not_depend_on_how_a_stream_is_cut(pieces: int) -> None:
    stream = errors_of_days(80, 3, 0.2)
    assert first_alarm_of_days(*stream, BETWEEN, pieces) == first_alarm_of_days(*stream, BETWEEN, len(stream[0])) > 0
