"""What an explanation looks at: the rows of a window, or of one slice of it, beside the baseline's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from driftline.baseline import Baseline
from driftline.blocks import targets
from driftline.pane import Pane
from driftline.tables import I64

from driftline_processor.core.evaluation import TargetDrift

from .concentrated import Sides
from .grid import grid
from .trail import Ask, unknown


@dataclass(frozen=True)
class View:
    """``found``: the drift of its features. ``ask``: what came before."""

    pane: Pane
    baseline: Baseline
    found: Mapping[str, TargetDrift]
    ask: Ask = unknown

    @cached_property
    def _targets(self) -> Mapping[str, object]:
        return targets(self.baseline.bins)

    def sides(self, part: str) -> Sides | None:
        """Return the counts of a target then and now, in effective rows; None where one of them is not known."""
        was, now = self.baseline.pane.parts.get(part), self.pane.parts.get(part)
        if was is None or now is None or part not in self._targets or not was.any() or not now.any():
            return None
        return Sides(was * _kish(self.baseline.pane), now * _kish(self.pane))

    def cells(self, part: str) -> I64:
        """Return the cell of each bin of a target."""
        return grid(targets(self.baseline.bins)[part], self.baseline.pane.parts[part])

    def design_effect(self, feature: str) -> float:
        """Return how many rows of a feature count as one."""
        target = self.found.get(feature)
        return 1.0 if target is None else target.design_effect

    def rows(self) -> float:
        """Return the weight of the window's rows."""
        rows = self.pane.parts.get("rows", np.zeros(3))
        return float(rows[1])


def _kish(pane: Pane) -> float:
    """Effective rows for each unit of weight: Σw / Σw²."""
    rows = pane.parts.get("rows")
    return float(rows[1] / rows[2]) if rows is not None and rows[2] > 0 else 1.0
