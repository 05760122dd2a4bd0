"""How large the sum of a few rows is by chance, where they are drawn from many: also from skewed ones, and from few.

A t-test takes the mean of fifty rows to be normal. Of log-normal rows (sigma 1.5) it is not, and of a sentinel in three
rows of a hundred still less: there it would find a shift in 38 and 74 % of quiet windows (20 features, 50 rows).
"""

from __future__ import annotations

import math

import numpy as np
from driftline.tables import F64
from scipy.special import betaln, ndtr

_STEPS = 60
_LEVELS = 1_000
"""More distinct steps than this between least and greatest value are no lattice that would show."""


def drawn_sum_p_value(places: F64, both: F64, drawn: float, total: float) -> float:
    """Return the two-sided probability that so many rows, drawn without replacement, have such a sum.

    ``places``: float64 (bins,), the value of each bin's rows. ``both``: float64 (bins,), rows to draw from. ``drawn``:
    how many are, ``total``: their sum. A double saddlepoint approximation of the permutation distribution, right to a
    few per cent of itself also far out; where values lie on a lattice, with its continuity correction.

    Source: Robinson, "Saddlepoint approximations for permutation tests and confidence intervals" (1982); Skovgaard,
    "Saddlepoint expansions for conditional distributions" (1987).

    >>> ranks = np.arange(1.0, 21.0)
    >>> round(drawn_sum_p_value(ranks, np.ones(20), 10.0, 140.0), 5)  # Wilcoxon's rank sum test, exactly: 0.00684
    0.00683
    """
    held = both > 0
    places, both = places[held], both[held]
    rows = float(both.sum())
    mean = float(both @ places) / rows
    deviation = math.sqrt(float(both @ (places - mean) ** 2) / rows)
    if not 0 < drawn < rows or deviation <= 1e-12 * float(np.abs(places).max()):
        return 1.0
    at, aim = (places - mean) / deviation, (total - drawn * mean) / deviation
    step = _lattice(at)
    tails = []
    for sign in (1.0, -1.0):
        end = int((sign * at).argmax())
        # where all can be of one outermost value: nothing is farther out, and nothing less likely
        least = math.exp(_log_choose(float(both[end]), drawn) - _log_choose(rows, drawn)) if both[end] >= drawn else 0.0
        outermost = sign * (aim - drawn * float(at[end])) > -1e-9 * drawn
        tails.append(least if outermost else max(least, _tail(sign * at, both, drawn / rows, sign * aim, step)))
    return min(1.0, 2 * min(tails))


def _tail(at: F64, both: F64, share: float, aim: float, step: float) -> float:
    """P(sum of standardised values >= aim), each row drawn with this probability, given how many are."""
    aim -= step / 2
    drawn = share * float(both.sum())
    if aim <= 0:
        return 1.0
    tilt = np.zeros(2)
    cost = 0.0
    for _ in range(_STEPS):
        slopes, curves = _slopes(at, both, share, tilt)
        lacking = np.array([drawn, aim]) - slopes
        curves[np.diag_indices(2)] += 1e-12 * np.trace(curves)
        move = np.linalg.solve(curves, lacking)
        if abs(float(move @ lacking)) < 1e-16:
            break
        for halved in range(40):
            wanted = tilt + move / 2**halved
            reached = float(wanted @ (drawn, aim)) - _log_sum(at, both, share, wanted)
            if reached > cost:
                tilt, cost = wanted, reached
                break
        else:
            break
    if tilt[1] <= 1e-9 or cost <= 1e-12:
        return 1.0
    curves = _slopes(at, both, share, tilt)[1]
    root = math.sqrt(2 * cost)
    beside = math.sqrt(max(float(np.linalg.det(curves)), 1e-300) / (drawn * (1 - share)))
    slope = 2 * math.sinh(min(float(tilt[1]) * step / 2, 300.0)) / step if step else float(tilt[1])
    return float(ndtr(-(root + math.log(slope * beside / root) / root)))


def _log_sum(at: F64, both: F64, share: float, tilt: F64) -> float:
    exponent = np.logaddexp(math.log1p(-share), math.log(share) + tilt[0] + tilt[1] * at)
    return float(both @ exponent)


def _slopes(at: F64, both: F64, share: float, tilt: F64) -> tuple[F64, F64]:
    """Expected rows drawn and their sum, and the covariance of both, under the tilt."""
    likely = 1 / (1 + np.exp(-np.clip(tilt[0] + tilt[1] * at + math.log(share) - math.log1p(-share), -700, 700)))
    varied = both * likely * (1 - likely)
    chosen = both * likely
    across = float(varied @ at)
    return (
        np.array([chosen.sum(), chosen @ at]),
        np.array([[varied.sum(), across], [across, varied @ at**2]]),
    )


def _lattice(at: F64) -> float:
    """The step of the lattice that the values lie on, 0 where they lie on none."""
    values = np.unique(at)
    if len(values) < 2:
        return 0.0
    step = float(np.diff(values).min())
    steps = (values - values[0]) / step
    return step if steps[-1] <= _LEVELS and float(np.abs(steps - np.rint(steps)).max()) < 1e-3 else 0.0


def _log_choose(n: float, k: float) -> float:
    return float(-betaln(n - k + 1, k + 1) - math.log(n + 1))
