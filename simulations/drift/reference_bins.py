"""Windows beside baselines that chose bins and categories from their own rows, as those of users do.

Over bins that are fixed beforehand a category is as often too frequent in the reference as too rare. One that is kept
because the reference holds ten rows of it is rather too frequent, and what was not kept too rare.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.panes.pane import Pane
from driftline.tables.table import F64


def _shares(weights: Iterable[float]) -> F64:
    found = np.array([*weights])
    shares: F64 = found / found.sum()
    return shares


TAILS: Mapping[str, F64] = {
    "zipf": _shares(1 / at for at in range(1, 101)),
    "flat": _shares(at**-0.5 for at in range(1, 301)),
    "geometric": _shares(math.exp(-at / 60) for at in range(300)),
    "equal": _shares([1.0] * 400),
}
"""The shares of the categories of a feature, by name."""

CODES: Mapping[str, F64] = {
    f"{name}-{codes}": _shares(at**-exponent for at in range(1, codes + 1))
    for codes in (900, 1_500)
    for name, exponent in (("uniform", 0.0), ("zipf-1.0", 1.0), ("zipf-1.3", 1.3))
}
"""The shares of more codes than a baseline keeps, by name."""

SHARES = {**TAILS, **CODES}
LABELS = pa.array([f"label-{at}" for at in range(max(map(len, SHARES.values())))])


@dataclass(frozen=True)
class Chosen:
    """A fresh reference of rows for each window, and its baseline as :meth:`Baseline.from_frame` builds it.

    ``kinds``: of features, names of :data:`SHARES` or "number"; ``each``: how many there are of each kind.
    """

    reference: int
    rows: int
    kinds: tuple[str, ...]
    each: int

    def frame(self, rows: int, rng: np.random.Generator) -> dict[str, Any]:
        """Draw rows."""
        found: dict[str, Any] = {}
        for at in range(self.each):
            for kind in self.kinds:
                found[f"{kind}-{at}"] = self._drawn(kind, rows, rng)
        return found | {"score": np.zeros(rows)}

    def windows(self, rng: np.random.Generator) -> Iterator[tuple[Pane, Baseline, int]]:
        """See :class:`.worlds.World`."""
        while True:
            known = self.frame(self.reference, rng)
            features = [name for name in known if name != "score"]
            baseline = Baseline.from_frame(
                pa.table(known), score="score", model="m", task="regression", features=features
            )
            now = pa.table(self.frame(self.rows, rng))
            table, *_ = table_from_frame(now, score="score", model="m", task="regression", features=features)
            yield fold(table, baseline.bins), baseline, 0

    @staticmethod
    def _drawn(kind: str, rows: int, rng: np.random.Generator) -> Any:
        if kind == "number":
            return rng.normal(size=rows)
        codes = rng.choice(len(SHARES[kind]), rows, p=SHARES[kind]).astype(np.int32)
        return pa.DictionaryArray.from_arrays(codes, LABELS)
