"""Which method finds which change: the table of evidence/methods.json.

Windows of 1,000 rows and 20 features, the first of which changes, are judged by the product's own rule against a
reference of 100,000 rows, each method deciding in turn of the same windows. Drawn as bin counts, a fresh reference for
each window; embeddings as vectors, with a fresh one for every twenty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.tables.table import F64
from driftline_processor.core.drift.method_choice import Choice, Choices
from driftline_processor.core.drift.rule import drift
from numpy.typing import NDArray

from simulations.drift.window_batches import draws, verdicts
from simulations.drift.worlds import EDGES, Counted, normal
from simulations.frame import Figures, Random, Row, Table, markdown, percent

REFERENCE, ROWS, WINDOWS, VECTOR_WINDOWS = 20_000, 1_000, 10_000, 1_000
EACH = 20
"""Windows of embeddings beside one reference: how it varies, too, decides which direction is seen."""

NUMBERS = ("ks", "cramer_von_mises", "anderson_darling", "mean_shift", "psi")
LABELS = ("chi2", "psi", "proportion")


def mixed(*parts: tuple[float, F64]) -> F64:
    """Return the shares of a mixture."""
    both: F64 = np.sum([share * shares for share, shares in parts], axis=0)
    return both


def inside(*bins: int) -> F64:
    """All rows in these bins, evenly."""
    shares = np.zeros(len(EDGES) + 1)
    shares[list(bins)] = 1 / len(bins)
    return shares


def zipf(power: float) -> F64:
    """Return the shares of 100 categories."""
    shares: F64 = 1 / np.arange(1, 101) ** power
    return shares / float(shares.sum())


@dataclass(frozen=True)
class Change:
    """What changes of the first feature. ``methods``: those that are compared, in the order of the table."""

    what: str
    world: Counted
    methods: tuple[str, ...] = NUMBERS

    def measure(self, windows: int, rng: Random) -> Figures:
        """Return, by method, the share of windows in which the first feature drifts; any, where nothing changes."""
        found = dict.fromkeys(self.methods, 0)
        for reference, drawn in draws(self.world, windows, rng):
            for method in self.methods:
                drifts = verdicts(reference, drawn, self.world.over, method).drift
                found[method] += int((drifts.any(axis=1) if self.world.moved is None else drifts[:, 0]).sum())
        return {method: times / windows for method, times in found.items()}


def number(what: str, moved: F64 | None, edges: F64 = EDGES) -> Change:
    """Return a change of a normal number, or of one that is over these edges as a normal one is over EDGES."""
    return Change(what, Counted(ROWS, shares=normal(), edges=edges, moved=moved))


def category(what: str, quiet: F64, moved: F64 | None) -> Change:
    """Return a change of categories; beside them is "other", that never comes."""
    now = None if moved is None else np.append(moved, 0.0)
    methods = LABELS if len(quiet) == 2 else LABELS[:2]
    return Change(what, Counted(ROWS, shares=np.append(quiet, 0.0), moved=now), methods)


def yes(share: float) -> F64:
    """A feature of two values, and nothing else."""
    return np.array([1 - share, share])


THREE = np.array([0.6, 0.3, 0.1])
CHANGES: dict[str, Change] = {
    "choose-quiet": number("nothing changes", None),
    "choose-shift": number("a number moves by 0.15 σ", normal(0.15)),
    "choose-spread": number("its spread grows by 15 %", normal(0, 1.15)),
    "choose-part": number("a tenth of its rows moves by 1.2 σ", mixed((0.9, normal()), (0.1, normal(1.2)))),
    "choose-humps": number(
        "it splits in two, mean and spread stay", mixed((0.5, normal(-0.8, 0.6)), (0.5, normal(0.8, 0.6)))
    ),
    "choose-tails": number(
        "2 % of its rows lie beyond all of the baseline", mixed((0.98, normal()), (0.02, inside(0, -1)))
    ),
    "choose-default": number(
        "5 % of its rows are one value in the middle", mixed((0.95, normal()), (0.05, inside(51)))
    ),
    "choose-skewed": number(
        "a log-normal number (σ 1.5) grows by 25 %", normal(float(np.log(1.25)) / 1.5), np.exp(1.5 * EDGES)
    ),
    "choose-quiet-labels": category("nothing changes", THREE, None),
    "choose-labels": category(".6 .3 .1 become .53 .34 .13", THREE, np.array([0.53, 0.34, 0.13])),
    "choose-many": category("100 categories (Zipf 1) become less alike (1.15)", zipf(1.0), zipf(1.15)),
    "choose-flag": category("a flag goes from 50 to 57 %", yes(0.5), yes(0.57)),
    "choose-rare-flag": category("a flag goes from 2 to 5 %", yes(0.02), yes(0.05)),
    "choose-rarest-flag": category("a flag goes from 0.1 to 1.5 %", yes(0.001), yes(0.015)),
}


@dataclass(frozen=True)
class Vectors:
    """What changes of an embedding: 32 numbers around four centres, or along four wide and 28 narrow directions.

    ``topics``: how much of the rows moves from the first centre to the last. ``moved``: of every number, in standard
    deviations. ``narrow``: of one narrow direction, in its own standard deviations.
    """

    what: str
    topics: float = 0.0
    moved: float = 0.0
    narrow: float = 0.0

    methods: ClassVar = ("mmd", "domain_classifier")

    def rows(self, rng: Random, n: int, *, changed: bool) -> NDArray[np.float32]:
        """Draw vectors, float32 (n, 32)."""
        drawn = np.empty((n, 32), np.float32)
        if self.narrow:
            drawn[:] = rng.normal(size=(n, 32)) * np.concatenate([np.ones(4), np.full(28, 0.1)])
            drawn[:, -1] += self.narrow * 0.1 * changed
            return drawn
        centres = np.random.default_rng(7).normal(size=(4, 32))
        shares = np.array([0.4, 0.3, 0.2, 0.1]) + (self.topics if changed else 0.0) * np.array([-1, 0, 0, 1])
        drawn[:] = centres[rng.choice(4, n, p=shares)] + rng.normal(0, 0.7, (n, 32))
        drawn += self.moved * 1.2 * changed
        return drawn

    def measure(self, windows: int, rng: Random) -> Figures:
        """Return, by method, the share of windows in which the embedding drifts."""
        found = dict.fromkeys(self.methods, 0)
        for at in range(windows):
            if at % EACH == 0:
                reference = self.rows(rng, REFERENCE, changed=False)
                frame = {"vector": reference, "score": reference[:, 0]}
                baseline = Baseline.from_frame(frame, score="score", model="m", task="regression")
            drawn = self.rows(rng, ROWS, changed=True)
            frame = {"vector": drawn, "score": drawn[:, 0]}
            table, *_ = table_from_frame(frame, score="score", model="m", task="regression")
            folded = fold(table, baseline.bins)
            for method in self.methods:
                choices = Choices(Choice((method,)))
                found[method] += drift(folded, baseline, choices=choices).features["vector"].state == "drift"
        return {method: times / windows for method, times in found.items()}


EMBEDDINGS: dict[str, Vectors] = {
    "choose-quiet-embedding": Vectors("nothing changes"),
    "choose-topic": Vectors("a tenth of the rows is about something else", topics=0.1),
    "choose-everywhere": Vectors("every number moves by 0.1 σ", moved=0.1),
    "choose-narrow": Vectors("a number that hardly varies moves by 2 of its σ", narrow=2.0),
}


def text(figures: Mapping[str, Figures]) -> str:
    """Return the three tables: of numbers, of categories, of embeddings."""
    numbers = {name: one.what for name, one in CHANGES.items() if one.methods == NUMBERS}
    labels = {name: one.what for name, one in CHANGES.items() if one.methods != NUMBERS}
    vectors = {name: one.what for name, one in EMBEDDINGS.items()}
    tables = []
    for rows, methods, of in (
        (numbers, NUMBERS, "one of 20 numbers"),
        (labels, LABELS, "one of 20 categories"),
        (vectors, Vectors.methods, "an embedding of 32 numbers"),
    ):
        lines = [
            [f"`{name}`", what, *(percent(figures[name][one]) if one in figures[name] else "" for one in methods)]
            for name, what in rows.items()
            if name in figures
        ]
        tables.append(markdown(["row", f"{of}, 1,000 rows", *(f"`{name}`" for name in methods)], lines))
    return "\n".join(tables)


SLOW = {"choose-many": 2_000}
"""Rows whose exact p-values take longer, of windows of which most drift."""

ROWS_OF = {name: Row(name, one.measure, SLOW.get(name, WINDOWS)) for name, one in CHANGES.items()}
ROWS_OF |= {name: Row(name, one.measure, VECTOR_WINDOWS) for name, one in EMBEDDINGS.items()}
METHODS = Table("methods", ROWS_OF, text)
