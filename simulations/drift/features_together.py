"""The table of evidence/multivariate.json: false alarms and power.

Features are normal with the same marginals before and after, so that no univariate method can find anything; the
domain classifier is tried on fewer windows than the others, for it takes longer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.panes.pca import UNIT, at_places, bin_of_each
from driftline.tables.table import PredictionTable
from driftline_processor.core.drift.multivariate.classifier import MOST_ROWS, Points, classify
from driftline_processor.core.drift.multivariate_rule import drift_together
from driftline_processor.core.drift.rule import drift

from simulations.frame import Figures, Random, Row, Table, table_of

METHODS = ("pca", "correlation", "domain_classifier")
SIZES = (200, 1_000, 5_000)

COLUMNS = ("pca", "correlation", "any", "domain_classifier", "feature")
"""As the table has them; any: pca or correlation; feature: any feature by itself."""

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
    """Return features that are hard to compare: gaps, heavy tails, zeros, rare flags, copies, many categories."""
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


Draw = Callable[[int, Random], Frame]


@dataclass(frozen=True)
class Change:
    """What changes from ``before`` to ``after``.

    ``reference``: rows of the baseline. ``classified``: of so many windows one is given to the classifier.
    """

    what: str
    before: Draw
    after: Draw
    reference: int = 20_000
    classified: int = 10

    def measure(self, windows: int, rng: Random) -> Figures:
        """Return how often each of COLUMNS drifts, by rows of the window; every twenty windows have a reference."""
        found: dict[str, list[float]] = {name: [] for name in COLUMNS}
        for n in SIZES:
            counted = self._count(n, windows, rng)
            for name in COLUMNS:
                found[name].append(counted[name] / (-(-windows // self.classified) if name == METHODS[2] else windows))
        return found

    def _count(self, n: int, windows: int, rng: Random) -> Counter[str]:
        counted = Counter[str]()
        for at in range(windows):
            if at % 20 == 0:
                rows = table(self.before(self.reference, rng))
                baseline = Baseline.from_tables([rows])
                was = points(rows, baseline, rng)
            now = table(self.after(n, rng))
            pane = fold(now, baseline.bins)
            features = drift(pane, baseline).features
            joint = drift_together(pane, baseline, features)
            drifted = {name for name, one in joint.items() if one.state == "drift"}
            counted.update([*drifted, *(["any"] if drifted else [])])
            counted["feature"] += any(one.state == "drift" for one in features.values())
            if at % self.classified == 0:
                one = classify(was, points(now, baseline, rng), rng)
                alone = drift_together(pane, baseline, features, {} if one is None else {METHODS[2]: one}, wanted=())
                counted[METHODS[2]] += any(it.state == "drift" for it in alone.values())
        return counted


CHANGES: dict[str, Change] = {
    "joint-quiet": Change("nothing; 20 independent", independent, independent),
    "joint-quiet-pairs": Change("nothing; ten pairs at 0.7", paired, paired),
    "joint-quiet-few": Change("nothing; the same, of 1,000 reference rows", paired, paired, 1_000),
    "joint-quiet-awkward": Change("nothing; 13 awkward ones", awkward, awkward),
    "joint-new-pair": Change(
        "one pair of 20 from 0 to 0.3", independent, lambda n, rng: independent(n, rng, 0.3), classified=6
    ),
    "joint-weaker-pair": Change(
        "one pair of ten from 0.7 to 0.4", paired, lambda n, rng: paired(n, rng, 0.4), classified=6
    ),
    "joint-turned-pair": Change(
        "one pair of ten from 0.7 to -0.7", paired, lambda n, rng: paired(n, rng, -0.7), classified=6
    ),
}


def _told(_: Change, found: Figures) -> list[str]:
    return [" / ".join(f"{share * 100:.3g}" for share in found[it]) for it in COLUMNS]


HEAD = ["what changed, beside 20,000 rows", "`pca`", "`correlation`", "either", "`domain_classifier`", "any feature"]
ROWS = {name: Row(name, one.measure, 200 if name.startswith("joint-quiet") else 60) for name, one in CHANGES.items()}
MULTIVARIATE = Table("multivariate", ROWS, table_of(CHANGES, HEAD, _told))
