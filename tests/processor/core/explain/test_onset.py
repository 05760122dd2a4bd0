"""Since when: the step at which shares change, and none where they do not."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.tables.table import F64
from driftline_processor.core.explain.onset import onset
from scipy.stats import norm

from tests.support.unwrap import unwrap

EDGES = norm.ppf([0.001, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.999])


def drawn(rng: np.random.Generator, means: F64, rows: int = 1_000) -> F64:
    """Counts over cells of normal values around these means."""
    shares = np.diff(norm.cdf(EDGES - means[:, np.newaxis]), prepend=0.0, append=1.0)
    return rng.multinomial(rows, shares).astype(np.float64)


def quiet(rng: np.random.Generator, steps: int, spread: float, alike: float = 0.0) -> F64:
    """Means of steps, which differ by so much and resemble the one before."""
    means = np.zeros(steps)
    last = rng.normal() * spread
    for at in range(steps):
        last = alike * last + np.sqrt(1 - alike**2) * spread * rng.normal()
        means[at] = last
    return means


def baseline(rng: np.random.Generator, spread: float, alike: float = 0.0) -> F64:
    counts: F64 = drawn(rng, quiet(rng, 60, spread, alike), 400).sum(axis=0)
    return counts


@pytest.mark.parametrize("at", [1, 7, 19, 28])
def test_the_step_at_which_values_shift_is_found(at: int) -> None:
    rng = np.random.default_rng(at)
    means = quiet(rng, 30, 0.05)
    means[at:] += 0.5
    found = unwrap(onset(baseline(rng, 0.05), drawn(rng, means)))
    assert (found.at, found.before) == (at, False)
    assert found.p_value <= 0.01


def test_what_was_so_from_the_first_step_on_began_then_or_before() -> None:
    rng = np.random.default_rng(3)
    found = unwrap(onset(baseline(rng, 0.05), drawn(rng, quiet(rng, 30, 0.05) + 0.5)))
    assert (found.at, found.before) == (0, True)


def test_a_drift_that_went_and_came_again_is_since_it_came_again() -> None:
    rng = np.random.default_rng(4)
    means = quiet(rng, 40, 0.05)
    means[8:14] += 0.6
    means[30:] += 0.6
    found = unwrap(onset(baseline(rng, 0.05), drawn(rng, means)))
    assert found.at == 30


def test_a_drift_that_grows_in_two_steps_is_since_it_was_half_way() -> None:
    rng = np.random.default_rng(5)
    means = quiet(rng, 40, 0.05)
    means[12:] += 0.5
    means[25:] += 0.2
    found = unwrap(onset(baseline(rng, 0.05), drawn(rng, means)))
    assert found.at == 12


def test_no_step_is_named_where_the_last_is_quiet_again() -> None:
    rng = np.random.default_rng(6)
    means = quiet(rng, 40, 0.05)
    means[8:14] += 0.6
    assert onset(baseline(rng, 0.05), drawn(rng, means)) is None


@pytest.mark.parametrize(("spread", "alike"), [(0.0, 0.0), (0.3, 0.0), (0.3, 0.5)])
def test_steps_that_differ_as_they_always_do_have_no_onset(spread: float, alike: float) -> None:
    """At most one in a hundred; where rows of a step resemble each other, a test that counts rows would find 100."""
    rng = np.random.default_rng(7)
    found = [onset(baseline(rng, spread, alike), drawn(rng, quiet(rng, 60, spread, alike))) for _ in range(100)]
    assert sum(one is not None for one in found) <= 2


def test_steps_without_rows_are_no_steps() -> None:
    rng = np.random.default_rng(8)
    steps = drawn(rng, np.repeat([0.0, 0.5], 10))
    steps[[3, 12]] = 0.0
    found = unwrap(onset(baseline(rng, 0.0), steps))
    assert found.at == 10


def test_one_window_alone_has_no_onset() -> None:
    assert onset(np.array([500.0, 500.0]), np.array([[10.0, 90.0]])) is None


def test_rows_that_are_worth_less_are_counted_so() -> None:
    steps = np.array([[50.0, 50.0], [65.0, 35.0]])
    assert onset(np.array([5_000.0, 5_000.0]), steps) is not None
    assert onset(np.array([5_000.0, 5_000.0]), steps, design_effect=10) is None
