"""What the checks look at: each feature's sums, in the baseline and in the window, made once for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

from driftline.baseline import Baseline
from driftline.pane import Pane
from driftline.repeats import Repeats

from driftline_processor.core.distributed import GUESSED

from .ladder import Changed, changed
from .sums import Pair, Sums, sums_of


@dataclass(frozen=True)
class Look:
    """One window and its baseline.

    ``earlier``: the panes of the windows before it, the latest first, over the same bins; as many as are known.
    ``repeats``: of the window's rows; None where no rows are at hand.
    """

    pane: Pane
    baseline: Baseline
    earlier: tuple[Pane, ...] = ()
    repeats: Repeats | None = None

    @cached_property
    def pairs(self) -> dict[str, Pair]:
        """The features that arrived, by name; one whose values are mostly a guess is not here."""
        return {pair.name: pair for pair in self._pairs()}

    @cached_property
    def changed(self) -> list[Changed]:
        """The numbers whose distribution is another than in the baseline, by more than chance."""
        return [one for pair in self.pairs.values() if (one := changed(pair)) is not None]

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
            yield Pair(name, bins, was, now, n, m, least, greatest)


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
