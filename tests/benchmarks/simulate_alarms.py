"""The table of docs/methods.md: false alarms and power of the state rule, simulated. Takes two minutes of CPU.

    python -m tests.benchmarks.simulate_alarms

Windows are drawn as bin counts, a fresh reference for each. The statistics, the correction and the limits are those of
``driftline_processor.core.drift``; what is drawn and shown is left out, to make ten thousand windows cheap.
"""

from __future__ import annotations

import numpy as np
from driftline.bins import QUANTILES
from driftline.tables import F64, I64
from driftline_processor.core.drift.correction import benjamini_hochberg
from driftline_processor.core.drift.methods import METHODS, Counts
from driftline_processor.core.drift.rule import ALPHA
from scipy.stats import norm

REFERENCE = 100_000
EDGES = norm.ppf(QUANTILES)
THREE = np.array([0.6, 0.3, 0.1])
ZIPF = 1 / np.arange(1, 101) / (1 / np.arange(1, 101)).sum()


def shares(shift: float = 0.0) -> F64:
    """Return the probability of each bin for a normal feature moved by so many standard deviations."""
    return np.diff(np.concatenate([[0.0], norm.cdf(EDGES - shift), [1.0]]))


def judged(method: str, reference: I64, current: I64) -> tuple[F64, F64]:
    """Return p-values and effects of the features of a window: int64 (features, bins) → float64 (features,)."""
    edges = np.tile(EDGES, (len(reference), 1)) if "number" in METHODS[method].kinds else None
    found = METHODS[method].counts(Counts(reference.astype(np.float64), current.astype(np.float64), edges))
    assert found.p_value is not None
    assert found.effect is not None
    return found.p_value, found.effect


def correlated(rng: np.random.Generator, rows: int, features: int) -> I64:
    """Draw the counts of normal features that correlate at 0.9: int64 (features, bins)."""
    values = np.sqrt(0.9) * rng.normal(size=(rows, 1)) + np.sqrt(0.1) * rng.normal(size=(rows, features))
    bins = len(EDGES) + 1
    at = np.searchsorted(EDGES, values, side="right") + np.arange(features) * bins
    return np.bincount(at.ravel(), minlength=bins * features).reshape(features, bins)


def unseen(quiet: F64, share: float) -> tuple[F64, F64]:
    """Return the shares with a label more that never comes, and with that label in so many rows."""
    return np.append(quiet, 0.0), np.append(quiet * (1 - share), share)


def run(
    method: str, rows: int, features: int, windows: int, quiet: F64, moved: F64 | None = None, rho: bool = False
) -> str:
    rng = np.random.default_rng(rows * 1_000 + features)
    least = METHODS[method].min_effect
    assert least is not None
    alone = alarms = found = strong = 0
    for _ in range(windows):
        reference = rng.multinomial(REFERENCE, quiet, size=features)
        current = correlated(rng, rows, features) if rho else rng.multinomial(rows, quiet, size=features)
        if moved is not None:
            current[0] = rng.multinomial(rows, moved)
        p, effect = judged(method, reference, current)
        significant = benjamini_hochberg(p) <= ALPHA
        drifts = significant & (effect >= least)
        alone += int(significant.any())
        alarms += int(drifts.any())
        found += int(drifts[0])
        strong += int(np.count_nonzero(p <= 0.001))
    if moved is not None:
        return f"found {found / windows:7.2%}"
    single = strong / windows / features
    return f"alarm {alarms / windows:7.2%}   test alone {alone / windows:7.2%}   p <= 0.001 {single:7.3%}"


def main() -> None:
    for rows in (50, 200, 1_000, 10_000):
        for features, windows in ((1, 10_000), (20, 10_000), (200, 2_000)):
            print(f"numbers     {rows:>6} rows {features:>4} features  {run('ks', rows, features, windows, shares())}")
    for rows in (50, 200, 1_000):
        print(f"correlated  {rows:>6} rows   20 features  {run('ks', rows, 20, 4_000, shares(), rho=True)}")
    for name, quiet in (
        ("3 shares", THREE),
        ("2 rare  ", np.array([0.97, 0.02, 0.01])),
        ("100 Zipf", ZIPF),
    ):
        for rows in (50, 200, 1_000, 10_000):
            print(f"{name}    {rows:>6} rows   20 features  {run('chi2', rows, 20, 5_000, quiet)}")
    for shift, rows, features in (
        (0.2, 1_000, 1),
        (0.2, 1_000, 20),
        (0.2, 1_300, 200),
        (0.5, 200, 200),
        (1.0, 50, 200),
    ):
        found = run("ks", rows, features, 1_000, shares(), shares(shift))
        print(f"moved {shift:<4}  {rows:>6} rows {features:>4} features  {found}")
    for name, quiet in (("3 shares", THREE), ("100 Zipf", ZIPF)):
        for share, rows in ((0.2, 50), (0.05, 200), (0.01, 1_000), (0.005, 10_000)):
            found = run("chi2", rows, 20, 1_000, *unseen(quiet, share))
            print(f"{name} unseen {share:<5}  {rows:>6} rows   20 features  {found}")
    print(f"moved 0.5       50 rows   20 features  {run('ks', 50, 20, 1_000, shares(), shares(0.5))}")


if __name__ == "__main__":
    main()
