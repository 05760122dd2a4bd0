"""What the checks look at: each feature's sums, in the baseline and in the window, made once for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline import Baseline
from driftline.clusters import PREFIX as CLUSTERS
from driftline.clusters import by_group
from driftline.pane import Pane
from driftline.repeats import Recurrence, Repeats
from driftline.tables import F64

from driftline_processor.core.distributed import GUESSED

from .ladder import Changed, changed
from .sums import Pair, Sums, sums_of


@dataclass(frozen=True)
class Look:
    """One window and its baseline.

    ``repeats``: of the window's rows; None where no rows are at hand. ``recurrences``: of its rows in the window
    before, then of that one's in the one before it; None where either has no rows. ``designs``: feature → how many of
    its rows count as one (:mod:`driftline_processor.core.drift.dependence`), 1 where nothing is said.
    """

    pane: Pane
    baseline: Baseline
    repeats: Repeats | None = None
    designs: Mapping[str, float] = field(default_factory=dict)
    recurrences: tuple[Recurrence | None, ...] = ()

    @cached_property
    def pairs(self) -> dict[str, Pair]:
        """The features that arrived, by name; one whose values are mostly a guess is not here."""
        return {pair.name: pair for pair in self._pairs()}

    @cached_property
    def changed(self) -> list[Changed]:
        """The numbers whose distribution is another than in the baseline, by more than chance."""
        return [one for pair in self.pairs.values() if (one := changed(pair)) is not None]

    def missing_by_group(self, name: str) -> F64 | None:
        """Return the weights of missing and of usable values by group of clusters: float64 (groups, 2).

        None where no key says which rows belong together. How many rows a group has is told by whichever target has
        most values in it.
        """
        if self._by_group is None:
            return None
        held = self.pane.parts.get(f"{CLUSTERS}feature:{name}")
        usable = np.zeros(len(self._by_group)) if held is None else by_group(held).sum(axis=1)
        return np.stack([self._by_group - usable, usable], axis=1)

    @cached_property
    def _by_group(self) -> F64 | None:
        parts = [by_group(sums).sum(axis=1) for name, sums in self.pane.parts.items() if name.startswith(CLUSTERS)]
        return np.max(parts, axis=0) if parts else None

    def _pairs(self) -> Iterator[Pair]:
        reference, n = _reference(self.baseline)
        m = _effective(self.pane)
        ranges = self.baseline.extras.ranges
        for name, bins in self.baseline.bins.features.items():
            now = sums_of(self.pane, name, bins)
            was = reference.get(name)
            guessed = self.pane.parts.get(f"{GUESSED}feature:{name}")
            if now is None or was is None or (guessed is not None and guessed[0] > 0.5 * now.usable):
                continue
            least, greatest = (None, None) if ranges is None else ranges.of.get(name, (None, None))
            vectors = name in self.baseline.bins.projections
            alike = self.designs.get(name, 1.0)
            yield Pair(name, bins, was, now, n / alike, m / alike, least, greatest, alike, vectors)


_REFERENCES: WeakKeyDictionary[Baseline, tuple[Mapping[str, Sums], float]] = WeakKeyDictionary()


def _reference(baseline: Baseline) -> tuple[Mapping[str, Sums], float]:
    """The baseline's side, made once for each baseline."""
    known = _REFERENCES.get(baseline)
    if known is None:
        found = {name: sums_of(baseline.pane, name, bins) for name, bins in baseline.bins.features.items()}
        known = {name: sums for name, sums in found.items() if sums is not None}, _effective(baseline.pane)
        _REFERENCES[baseline] = known
    return known


def _effective(pane: Pane) -> float:
    """Kish's effective rows for each unit of weight: Σw / Σw²; 1 without weights."""
    rows = pane.parts.get("rows")
    return float(rows[1] / rows[2]) if rows is not None and rows[2] > 0 else 1.0
