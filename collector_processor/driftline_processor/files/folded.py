"""What is left of a batch of rows: the sums of each window, and the fingerprints of rows and values that may repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from driftline.baseline import Baseline
from driftline.fold import fold, fold_by, usable_weight
from driftline.pane import Pane, merge
from driftline.repeats import U64, Counting, Repeats, fingerprints
from driftline.tables import F64, I64, PredictionTable

from driftline_processor.core.compared.season import PART as SEASONS
from driftline_processor.core.compared.season import by_season
from driftline_processor.core.estimate.parts import learned_parts, score_parts
from driftline_processor.core.expectations.counted import count_rules
from driftline_processor.core.expectations.rule import Expectations

from .rows import Rows
from .sliced import ByValue

Prints = dict[str, U64]
"""Fingerprints of whole rows under "", of the values of a feature under its name."""


@dataclass(slots=True)
class Folded:
    """One window. ``counting``: how often whole rows ("") and the values of single features repeat."""

    pane: Pane = field(default_factory=Pane)
    counting: dict[str, Counting] = field(default_factory=dict)

    @classmethod
    def of(cls, most: int, expect: Expectations) -> Folded:
        """Begin; ``most``: fingerprints that are kept, of each kind."""
        return cls(Pane(), {name: Counting(most) for name in ("", *_unique(expect))})

    def add(self, pane: Pane, prints: Prints) -> None:
        """Add a batch."""
        self.pane = merge([self.pane, pane])
        for name, some in prints.items():
            self.counting[name].add(some)

    @property
    def repeats(self) -> Repeats | None:
        """How often whole rows repeat; None where they were not counted."""
        return self.counting[""].result()

    @property
    def unique(self) -> dict[str, Repeats]:
        """How often the values of features repeat, of those that were counted."""
        found = {name: counting.result() for name, counting in self.counting.items() if name}
        return {name: repeats for name, repeats in found.items() if repeats is not None}


def fold_windows(
    table: PredictionTable,
    window: I64,
    windows: int,
    baseline: Baseline,
    expect: Expectations,
    repeating: bool,
    cluster: str,
    counting: Sequence[ByValue] = (),
) -> list[tuple[int, Pane, Prints]]:
    """Fold a batch into one pane for each window it reaches into.

    ``window``: int64 (n,), that of each row. ``repeating``: whether whole rows are looked at. ``cluster``:
    see :func:`driftline.fold.fold`. ``counting``: the slices that are counted along with all rows.
    Where the baseline knows its seasons, panes say how much weight the rows of each have.
    """
    prints: Prints = {}
    if repeating:
        prints[""] = fingerprints(table.features, baseline.bins.features, len(table))
    for name in _unique(expect):
        prints[name] = fingerprints(table.features, [name], len(table))
    cuts = [one.counted for one in counting]
    if windows == 1:
        [pane] = (
            fold_by(table, baseline.bins, window, 1, cluster, cuts) if cuts else [fold(table, baseline.bins, cluster)]
        )
        pane.parts |= {part: sums[0] for part, sums in count_rules(table.features, expect, window, 1).items()}
        pane.parts |= {part: sums[0] for part, sums in _seasons(table, baseline, window, 1).items()}
        pane.parts |= {part: sums[0] for part, sums in _estimates(table, baseline, window, 1).items()}
        return [(0, pane, prints)]
    present, local = np.unique(window, return_inverse=True)
    panes = fold_by(table, baseline.bins, local, len(present), cluster, cuts)
    counted = count_rules(table.features, expect, local, len(present))
    counted |= {**_seasons(table, baseline, local, len(present)), **_estimates(table, baseline, local, len(present))}
    for part, sums in counted.items():
        for pane, own in zip(panes, sums, strict=True):
            pane.parts[part] = own
    order, ends = np.argsort(local, kind="stable"), np.cumsum(np.bincount(local, minlength=len(present)))[:-1]
    split = {name: np.split(some[order], ends) for name, some in prints.items()}
    return [
        (at, pane, {name: some[position] for name, some in split.items()})
        for position, (at, pane) in enumerate(zip(present.tolist(), panes, strict=True))
    ]


def newest_rows(reads: Sequence[Rows], groups: Sequence[I64], windows: int) -> list[int | None]:
    """Return when the newest row of each window was predicted, unix nanoseconds; None where rows have no time."""
    newest = np.full(windows, -1, dtype=np.int64)
    for read, group in zip(reads, groups, strict=True):
        if read.time is None:
            return [None] * windows
        inside = group >= 0
        np.maximum.at(newest, group[inside], read.time[inside])
    return [None if at < 0 else at for at in newest.tolist()]


def _unique(expect: Expectations) -> list[str]:
    return [name for name, rules in expect.features.items() if any(rule.kind == "unique" for rule in rules)]


def _seasons(table: PredictionTable, baseline: Baseline, group: I64, groups: int) -> dict[str, F64]:
    """The weight of the rows of each group in each season: float64 (groups, seasons)."""
    known = baseline.extras.seasons
    if known is None or not table.time.any():
        return {}
    weight = np.ones(len(table)) if table.weight is None else usable_weight(table.weight)
    return {SEASONS: by_season(known.seasonality, table.time, weight, group, groups)}


def _estimates(table: PredictionTable, baseline: Baseline, group: I64, groups: int) -> dict[str, F64]:
    """What estimates of performance need, see :mod:`driftline.expected`: float64 (groups, ...) by part."""
    found = [*score_parts(table, group), *learned_parts(table, baseline, group, groups)]
    return {one.part: one.dense(groups) for one in found}
