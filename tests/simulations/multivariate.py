"""The table of docs/methods.md, "Features together": false alarms and power. Takes some minutes of CPU.

    python -m tests.benchmarks.simulate_multivariate [--write]

``--write`` puts it into the page, between its two marks; else it is printed. Features are normal with the same
marginals before and after, so that no univariate method can find anything; the domain classifier is tried on fewer
windows than the others, for it takes longer.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from driftline.baseline import Baseline
from driftline.fold import fold
from driftline.profile import table_from_frame
from driftline.space import UNIT, at_places, bin_of_each
from driftline.tables import PredictionTable
from driftline_processor.core.drift.joint_rule import drift_together
from driftline_processor.core.drift.multivariate.classifier import MOST_ROWS, Points, classify
from driftline_processor.core.drift.rule import drift

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"
BEGIN = "<!-- simulated: python -m tests.benchmarks.simulate_multivariate --write -->"
END = "<!-- end of what is simulated -->"
METHODS = ("pca", "correlation", "domain_classifier")
SIZES = (200, 1_000, 5_000)

Random = np.random.Generator
Frame = dict[str, Any]


def independent(n: int, rng: Random, r: float = 0.0) -> Frame:
    """Return twenty normal features, of which the first two are correlated ``r``."""
    z = rng.normal(size=(20, n))
    z[1] = r * z[0] + np.sqrt(1 - r**2) * z[1]
    return {f"x{at}": values for at, values in enumerate(z)}


def paired(n: int, rng: Random, r: float = 0.7) -> Frame:
    """Return ten pairs of normal features, each correlated 0.7, the first ``r``."""
    z = rng.normal(size=(20, n))
    own = np.array([r] + [0.7] * 9)[:, np.newaxis]
    z[1::2] = own * z[::2] + np.sqrt(1 - own**2) * z[1::2]
    return {f"x{at}": values for at, values in enumerate(z)}


def awkward(n: int, rng: Random) -> Frame:
    """Return features that are hard to judge: gaps, heavy tails, zeros, rare flags, copies, long lists of labels."""
    common = rng.standard_t(2, n)
    frame: Frame = {f"heavy{at}": common * rng.normal(size=n) for at in range(3)}
    frame |= {f"zeros{at}": np.where(rng.random(n) < 0.8, 0.0, rng.exponential(size=n)) for at in range(3)}
    frame |= {f"flag{at}": (rng.random(n) < share).astype(float) for at, share in enumerate((0.3, 0.05, 0.01))}
    frame["copy"] = frame["heavy0"] ** 3
    shares = 1 / np.arange(1, 31) ** 1.2
    labels = np.array([f"l{at}" for at in range(30)])
    frame |= {f"label{at}": rng.choice(labels, n, p=shares / shares.sum()) for at in range(2)}
    frame["gaps"] = np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n))
    return frame


def table(frame: Frame) -> PredictionTable:
    """Return rows as a table."""
    n = len(next(iter(frame.values())))
    return table_from_frame(frame | {"score": np.full(n, 0.5)}, score="score", model="m", task="regression")[0]


def points(rows: PredictionTable, baseline: Baseline, rng: Random) -> Points:
    """Return at most 5,000 of the rows as points."""
    space = baseline.bins.space
    assert space is not None
    some = rng.permutation(len(rows))[:MOST_ROWS]
    index = [bin_of_each([rows], name, baseline.bins.features[name])[some] for name in space.names]
    z = [at_places(space.places[name], at) for name, at in zip(space.names, index, strict=True)]
    missing = [at >= len(space.places[name]) for name, at in zip(space.names, index, strict=True)]
    return Points(space.names, np.stack(z, axis=1) / UNIT, np.stack(missing, axis=1))


def shares(
    before: Callable[[int, Random], Frame],
    after: Callable[[int, Random], Frame],
    reference: int,
    windows: int,
    classified: int,
) -> list[list[float]]:
    """Return how often each method, any of pca and correlation, and any feature drifts, by number of rows, in percent.

    Every twenty windows have a fresh reference.
    """
    found = []
    for n in SIZES:
        rng, counted = np.random.default_rng(n + reference), Counter[str]()
        for at in range(windows):
            if at % 20 == 0:
                rows = table(before(reference, rng))
                baseline = Baseline.from_tables([rows])
                was = points(rows, baseline, rng)
            now = table(after(n, rng))
            pane = fold(now, baseline.bins)
            features = drift(pane, baseline).features
            joint = drift_together(pane, baseline, features)
            drifted = {name for name, one in joint.items() if one.state == "drift"}
            counted.update([*drifted, *(["any"] if drifted else [])])
            counted["feature"] += any(one.state == "drift" for one in features.values())
            if at < classified:
                one = classify(was, points(now, baseline, rng), rng)
                alone = drift_together(pane, baseline, features, {} if one is None else {METHODS[2]: one}, wanted=())
                counted[METHODS[2]] += any(it.state == "drift" for it in alone.values())
        of = {**dict.fromkeys((*METHODS, "any", "feature"), windows), METHODS[2]: classified}
        found.append([100 * counted[name] / of[name] for name in of])
    return found


def main() -> int:
    """Make the table."""
    worlds: list[tuple[str, Callable[[int, Random], Frame], Callable[[int, Random], Frame], int]] = [
        ("nothing; 20 independent", independent, independent, 20_000),
        ("nothing; ten pairs at 0.7", paired, paired, 20_000),
        ("nothing; the same, of 1,000 reference rows", paired, paired, 1_000),
        ("nothing; 13 awkward ones", awkward, awkward, 20_000),
        ("one pair of 20 from 0 to 0.3", independent, lambda n, rng: independent(n, rng, 0.3), 20_000),
        ("one pair of ten from 0.7 to 0.4", paired, lambda n, rng: paired(n, rng, 0.4), 20_000),
        ("one pair of ten from 0.7 to -0.7", paired, lambda n, rng: paired(n, rng, -0.7), 20_000),
    ]
    lines = [
        "| what changed, beside 20,000 rows | `pca` | `correlation` | either | `domain_classifier` | any feature |"
    ]
    lines.append("|---|---|---|---|---|---|")
    for title, before, after, reference in worlds:
        quiet = title.startswith("nothing")
        found = shares(before, after, reference, 200 if quiet else 60, 20 if quiet else 10)
        cells = [" / ".join(f"{row[column]:.3g}" for row in found) for column in (0, 1, 3, 2, 4)]
        lines.append(f"| {title} | {' | '.join(cells)} |")
        print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join(lines)
    if "--write" not in sys.argv:
        print(text)
        return 0
    page = PAGE.read_text(encoding="utf-8")
    before_it, after_it = page.partition(BEGIN)[0], page.partition(BEGIN)[2].partition(END)[2]
    PAGE.write_text(f"{before_it}{BEGIN}\n\n{text}\n\n{END}{after_it}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
