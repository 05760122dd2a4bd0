"""The minimum and maximum of each number feature of the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from driftline.panes.bins import NumberBins
from driftline.panes.model_bins import ModelBins
from driftline.panes.pane import Pane
from driftline.panes.unbinned_values import octave_bounds
from driftline.privacy.rules import FeatureFilter
from driftline.tables.table import Column, PredictionTable

from .section import Section

if TYPE_CHECKING:
    from driftline.baseline.reference_rows import ReferenceSetup


@dataclass(frozen=True, slots=True)
class Ranges(Section):
    """Number feature → (minimum, maximum) of its finite values; a feature without finite values is left out.

    One outlier changes them, so values out of range are detected by the outer edges of the bins, at the 0.1 %
    quantiles.
    """

    by_feature: Mapping[str, tuple[float, float]]

    @classmethod
    def counted(cls, pane: Pane, bins: ModelBins) -> Self | None:
        """Return ranges that contain every counted value and reveal none; None if nothing was counted.

        They end at the edge of a bin; outside the outer edges, at a power of two.
        """
        range_by_name, octaves = (
            dict[str, tuple[float, float]](),
            np.concatenate([[-np.inf], octave_bounds(), [np.inf]]),
        )
        for name, over in bins.features.items():
            counts = pane.parts.get(f"feature:{name}")
            if counts is None or not isinstance(over, NumberBins) or not counts[: over.size].any():
                continue
            filled = np.flatnonzero(counts[: over.size])
            far = np.flatnonzero(pane.parts.get(f"tails:{name}", np.zeros(1)))
            edges = np.concatenate([[octaves[far[0]] if len(far) else -np.inf], over.edges, [np.inf]])
            edges[-1] = octaves[far[-1] + 1] if len(far) else np.inf
            smallest, greatest = float(edges[filled[0]]), float(edges[filled[-1] + 1])
            if np.isfinite(smallest) and np.isfinite(greatest):
                range_by_name[name] = (smallest, greatest)
        return cls(range_by_name) if range_by_name else None

    def check_bins(self, bins: ModelBins) -> None:
        """Raise ``ValueError`` if a feature is not a number."""
        for name, (smallest, greatest) in self.by_feature.items():
            if not isinstance(bins.features.get(name), NumberBins):
                raise ValueError(f"{name!r} is not a feature with numbers")
            if smallest > greatest:
                raise ValueError(f"the entry of {name!r} must be [minimum, maximum]")

    def leaving(self, features: FeatureFilter) -> Self | None:
        """Return the ranges of the features that are exported unchanged: a range is two values."""
        range_by_name = {name: ends for name, ends in self.by_feature.items() if name in features.plain}
        return type(self)(range_by_name) if range_by_name else None


class RangesGatherer:
    """Gathers the ranges of the features with number bins."""

    def __init__(self, reference: ReferenceSetup) -> None:
        self._range_by_feature = {
            name: (np.inf, -np.inf) for name, over in reference.bins.features.items() if isinstance(over, NumberBins)
        }

    def add(self, table: PredictionTable, _actual: Column | None) -> None:
        """Add rows."""
        for name, (smallest, greatest) in self._range_by_feature.items():
            column = table.features.get(name)
            if column is not None and column.numbers is not None:
                finite = column.numbers[np.isfinite(column.numbers)]
                if len(finite):
                    self._range_by_feature[name] = (
                        min(smallest, float(finite.min())),
                        max(greatest, float(finite.max())),
                    )

    def piece(self) -> Ranges | None:
        """Return the ranges; None without finite values."""
        range_by_name = {name: ends for name, ends in self._range_by_feature.items() if ends[0] <= ends[1]}
        return Ranges(range_by_name) if range_by_name else None
