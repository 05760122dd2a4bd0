"""Which method finds which change: the table behind "How to choose a method" in docs/methods.md.

    python -m tests.benchmarks.simulate_methods            # all rows, three minutes; writes golden file and page
    python -m tests.benchmarks.simulate_methods --table    # only writes the page anew

Windows of 1,000 rows and 20 features, the first of which changes, are judged by the product's own rule against a
reference of 100,000 rows, each method deciding in turn. Drawn as bin counts, a fresh reference for each window.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from driftline.baseline import Baseline
from driftline.bins import QUANTILES, Bins, CategoryBins, NumberBins
from driftline.fold import ModelBins, fold
from driftline.pane import Pane
from driftline.profile import table_from_frame
from driftline.tables import F64, I64, Task
from driftline_processor.core.drift import drift
from driftline_processor.core.drift.choice import Choice, Choices
from numpy.typing import NDArray
from scipy.stats import norm

ROOT = Path(__file__).parents[2]
GOLDEN, PAGE = ROOT / "tests/golden/methods.json", ROOT / "docs/methods.md"
BEGIN, END = "<!-- methods: begin -->\n", "<!-- methods: end -->\n"
REFERENCE, ROWS, FEATURES, WINDOWS, VECTOR_WINDOWS = 100_000, 1_000, 20, 1_000, 300
NUMBERS = ("ks", "cramer_von_mises", "anderson_darling", "mean_shift", "psi")
LABELS = ("chi2", "psi", "proportion")
Z = norm.ppf(QUANTILES)


def below(edges: F64, mean: float = 0.0, deviation: float = 1.0) -> F64:
    """The distribution function of a normal number at the edges, with 0 and 1 around it."""
    return np.concatenate([[0.0], norm.cdf((edges - mean) / deviation), [1.0]])


def normal(mean: float = 0.0, deviation: float = 1.0) -> F64:
    return np.diff(below(Z, mean, deviation))


def mixed(*parts: tuple[float, F64]) -> F64:
    both: F64 = np.sum([share * shares for share, shares in parts], axis=0)
    return both


def at(*bins: int) -> F64:
    """All rows in these bins, evenly."""
    shares = np.zeros(len(Z) + 1)
    shares[list(bins)] = 1 / len(bins)
    return shares


def zipf(power: float) -> F64:
    shares: F64 = 1 / np.arange(1, 101) ** power
    return shares / float(shares.sum())


@dataclass(frozen=True)
class World:
    """What changes. ``quiet``, ``moved``: the shares of the bins before and of the first feature now."""

    what: str
    moved: F64
    quiet: F64 = field(default_factory=normal)
    edges: F64 | None = field(default_factory=lambda: Z)

    @property
    def methods(self) -> tuple[str, ...]:
        """Those that are compared, in the order of the table."""
        if self.edges is not None:
            return NUMBERS
        return LABELS if len(self.quiet) == 3 and self.quiet[-1] == 0 else LABELS[:2]

    @property
    def bins(self) -> Bins:
        """Of every feature."""
        if self.edges is not None:
            return NumberBins(self.edges)
        return CategoryBins(tuple(f"c{label}" for label in range(len(self.quiet) - 1)))


def yes(share: float) -> F64:
    """A feature of two values, and nothing else."""
    return np.array([1 - share, share, 0.0])


def labels(*shares: float) -> F64:
    return np.array([*shares, 0.0])


WORLDS: dict[str, World] = {
    "choose-quiet": World("nothing changes", normal()),
    "choose-shift": World("a number moves by 0.15 σ", normal(0.15)),
    "choose-spread": World("its spread grows by 15 %", normal(0, 1.15)),
    "choose-part": World("a tenth of its rows moves by 1.2 σ", mixed((0.9, normal()), (0.1, normal(1.2)))),
    "choose-humps": World(
        "it splits in two, mean and spread stay",
        mixed((0.5, normal(-0.8, 0.6)), (0.5, normal(0.8, 0.6))),
    ),
    "choose-tails": World("2 % of its rows lie beyond all of the baseline", mixed((0.98, normal()), (0.02, at(0, -1)))),
    "choose-default": World("5 % of its rows are one value in the middle", mixed((0.95, normal()), (0.05, at(51)))),
    "choose-skewed": World(
        "a log-normal number (σ 1.5) grows by 25 %", normal(np.log(1.25) / 1.5), edges=np.exp(1.5 * Z)
    ),
    "choose-quiet-labels": World("nothing changes", labels(0.6, 0.3, 0.1), labels(0.6, 0.3, 0.1), None),
    "choose-labels": World(".6 .3 .1 become .53 .34 .13", labels(0.53, 0.34, 0.13), labels(0.6, 0.3, 0.1), None),
    "choose-many": World("100 labels (Zipf 1) become less alike (1.15)", zipf(1.15), zipf(1.0), None),
    "choose-flag": World("a flag goes from 50 to 57 %", yes(0.57), yes(0.5), None),
    "choose-rare-flag": World("a flag goes from 2 to 5 %", yes(0.05), yes(0.02), None),
    "choose-rarest-flag": World("a flag goes from 0.1 to 1.5 %", yes(0.015), yes(0.001), None),
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

    def rows(self, rng: np.random.Generator, n: int, *, changed: bool) -> NDArray[np.float32]:
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


EMBEDDINGS: dict[str, Vectors] = {
    "choose-quiet-embedding": Vectors("nothing changes"),
    "choose-topic": Vectors("a tenth of the rows is about something else", topics=0.1),
    "choose-everywhere": Vectors("every number moves by 0.1 σ", moved=0.1),
    "choose-narrow": Vectors("a number that hardly varies moves by 2 of its σ", narrow=2.0),
}


def simulate_vectors(world: Vectors, windows: int, seed: int = 1) -> dict[str, float]:
    """Return, by method, the share of windows in which the embedding drifts."""
    rng = np.random.default_rng(seed)
    found = dict.fromkeys(world.methods, 0)
    reference = world.rows(rng, REFERENCE // 5, changed=False)
    frame = {"vector": reference, "score": reference[:, 0]}
    baseline = Baseline.from_frame(frame, score="score", model="m", task="regression")
    for _ in range(windows):
        drawn = world.rows(rng, ROWS, changed=True)
        frame = {"vector": drawn, "score": drawn[:, 0]}
        table, *_ = table_from_frame(frame, score="score", model="m", task="regression")
        folded = fold(table, baseline.bins)
        for method in world.methods:
            choices = Choices(Choice((method,)))
            found[method] += drift(folded, baseline, choices=choices).features["vector"].state == "drift"
    return {method: times / windows for method, times in found.items()}


def pane(counts: I64) -> Pane:
    parts = {f"feature:x{feature}": np.concatenate([one, [0.0, 0.0]]) for feature, one in enumerate(counts)}
    return Pane(parts | {"rows": np.full(3, float(counts[0].sum()))})


def simulate(world: World, windows: int, seed: int = 1) -> dict[str, float]:
    """Return, by method, the share of windows in which the first feature drifts.

    Where nothing changes, the share of those in which any does.
    """
    rng = np.random.default_rng(seed)
    bins = ModelBins({f"x{feature}": world.bins for feature in range(FEATURES)})
    found = dict.fromkeys(world.methods, 0)
    quiet = bool(np.allclose(world.quiet, world.moved))
    for _ in range(windows):
        reference = rng.multinomial(REFERENCE, world.quiet, size=FEATURES)
        current = rng.multinomial(ROWS, world.quiet, size=FEATURES)
        current[0] = rng.multinomial(ROWS, world.moved)
        baseline = Baseline("m", "", Task("regression"), bins, pane(reference))
        for method in world.methods:
            features = drift(pane(current), baseline, choices=Choices(Choice((method,)))).features
            states = [one.state == "drift" for one in features.values()]
            found[method] += any(states) if quiet else states[0]
    return {method: times / windows for method, times in found.items()}


def table(figures: dict[str, dict[str, float]]) -> str:
    """Return the three tables: of numbers, of labels, of embeddings."""
    numbers = {name: world.what for name, world in WORLDS.items() if world.edges is not None}
    others = {name: world.what for name, world in WORLDS.items() if world.edges is None}
    vectors = {name: world.what for name, world in EMBEDDINGS.items()}
    lines = []
    for rows, methods, of in (
        (numbers, NUMBERS, "one of 20 numbers"),
        (others, LABELS, "one of 20 categories"),
        (vectors, Vectors.methods, "an embedding of 32 numbers"),
    ):
        heading = " | ".join(f"`{name}`" for name in methods)
        lines += [f"| row | {of}, 1,000 rows | {heading} |", f"|---|---|{'---|' * len(methods)}"]
        for name, what in rows.items():
            cells = (percent(figures[name].get(method)) for method in methods)
            lines.append(f"| `{name}` | {what} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.1f} %" if share < 0.0995 else f"{share * 100:.0f} %"


def main() -> None:
    if "--table" not in sys.argv:
        figures = {name: simulate(world, WINDOWS) for name, world in WORLDS.items()}
        figures |= {name: simulate_vectors(world, VECTOR_WINDOWS) for name, world in EMBEDDINGS.items()}
        GOLDEN.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    figures = json.loads(GOLDEN.read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{table(figures)}{END}{rest.split(END)[1]}", encoding="utf-8")
    print(table(figures))


if __name__ == "__main__":
    main()
