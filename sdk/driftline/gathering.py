"""What is gathered from all reference rows while a baseline is built, a table at a time, one gatherer a piece."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from .class_scores import ClassScoresGatherer
from .estimation import EstimationGatherer
from .fitted import FittedGatherer
from .fold import ModelBins
from .ranges import RangesGatherer
from .repeats import RepeatsGatherer
from .score_by import ScoreByGatherer
from .season_counts import SeasonsGatherer
from .seasonality import Seasonality
from .slice_outcomes import SliceOutcomesGatherer
from .tables import Column, PredictionTable


@dataclass(frozen=True, slots=True)
class Reference:
    """What is known before all rows are read: ``sample``, some of them (all, while they are few), and the bins.

    ``seasonality``: by which seasons they are told apart, None = by none.
    """

    sample: PredictionTable
    bins: ModelBins
    seasonality: Seasonality | None = None


class Gatherer(Protocol):
    """Gathers one piece of the extras from every row. It holds sums, never rows."""

    def add(self, table: PredictionTable, actual: Column | None) -> None:
        """Take in more rows, and what really happened, where that is known."""

    def piece(self) -> Any:
        """Return the piece (:class:`driftline.extras.Piece`); None where the rows tell nothing."""


GATHERERS: dict[str, Callable[[Reference], Gatherer]] = {
    "ranges": RangesGatherer,
    "repeats": RepeatsGatherer,
    "fitted": FittedGatherer,
    "class_scores": ClassScoresGatherer,
    "score_by": ScoreByGatherer,
    "seasons": SeasonsGatherer,
    "estimation": EstimationGatherer,
    "slice_outcomes": SliceOutcomesGatherer,
}
"""Field of :class:`driftline.extras.Extras` → what begins to gather it. A new one is a class and a line here."""
