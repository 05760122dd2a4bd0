"""What performance does while all is as in the reference: the bounds beyond which an estimate is an alert.

A window of n rows has the reference's value, give or take three standard deviations of

- chance: as many other rows of the same kind, and their outcomes; and the reference's rows, as far as they decide what
  is estimated of it (its own outcomes are what estimates are learned from, and off by as much);
- what is learned of few rows: too good of itself, so an estimate of the reference's own rows is off what they came to
  (not of a regression, whose losses are tried on other rows than they are learned of);
- time: how much the reference's own stretches of time differ beyond chance (the variance of their realized values less
  what chance gives them, at least 0), over as many stretches as the window is long, with the tail of Student's t, since
  it was estimated from few.

NannyML takes the mean and three standard deviations of the realized values of the reference's chunks. For windows of
as many rows as those chunks, both are the same on average; windows of other lengths need other bounds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DEVIATIONS = 3.0


@dataclass(frozen=True, slots=True)
class Between:
    """How much stretches of time differ beyond chance: ``variance`` of one, known from so many (``stretches``)."""

    variance: float
    stretches: int

    def over(self, lengths: float) -> float:
        """Return the variance of a window that is so many stretches long, and of the reference they make up."""
        return self.variance * (1 / max(lengths, 1.0) + 1 / self.stretches) if self.stretches > 1 else 0.0


NO_STRETCHES = Between(0.0, 0)


def between(values: Sequence[float], chance: Sequence[float]) -> Between:
    """Return how much values of stretches differ, beyond the variance that chance gives each.

    >>> between([0.9, 0.8, 0.7], [0.004, 0.004, 0.004])
    Between(variance=0.006, stretches=3)
    """
    if len(values) < 2:
        return NO_STRETCHES
    beyond = float(np.var(values, ddof=1)) - float(np.mean(chance))
    return Between(round(max(0.0, beyond), 12), len(values))


def apart(errors: Sequence[float], chance: Sequence[float]) -> Between:
    """Return how far off the estimates of stretches are beyond chance: of errors, whose mean is to be 0.

    >>> apart([0.1, -0.1], [0.004, 0.004])
    Between(variance=0.006, stretches=2)
    """
    if len(errors) < 2:
        return NO_STRETCHES
    beyond = float(np.mean(np.square(errors))) - float(np.mean(chance))
    return Between(round(max(0.0, beyond), 12), len(errors))


def half_width(chance: float, differ: Between, lengths: float, deviations: float = DEVIATIONS) -> float:
    """Return how far a bound lies from its value. ``chance``: variance; ``lengths``: of the window, in stretches.

    >>> round(half_width(0.0001, NO_STRETCHES, 1.0), 6)
    0.03
    """
    time = differ.over(lengths)
    wide = _tail(differ.stretches, deviations) if time > 0 else 0.0
    return math.sqrt(deviations**2 * chance + wide**2 * time)


def _tail(stretches: int, deviations: float) -> float:
    """The quantile of Student's t that so many standard deviations are of a normal variable."""
    from scipy.special import ndtr, stdtrit

    return float(stdtrit(stretches - 1, ndtr(deviations)))
