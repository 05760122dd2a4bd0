"""The optional sections of a baseline, each with its key under ``extras`` in the JSON, and how each is gathered.

A new piece is a frozen dataclass in a file of its own that does what :class:`Section` says, a field of :class:`Extras`,
and a line in :data:`PIECES`. A baseline without any extras keeps its older schema, and with it its digest.

What is gathered from all reference rows while a baseline is built, a table at a time, one gatherer a piece.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from driftline.baseline.reference_rows import Period, ReferenceSetup
from driftline.panes.json_checks import by_name
from driftline.panes.model_bins import ModelBins
from driftline.privacy.rules import FeatureFilter
from driftline.tables.table import Column, PredictionTable

from .duplicate_rows import Repeats, RepeatsGatherer
from .embeddings import Embeddings
from .estimation import Estimation, EstimationGatherer
from .feature_marks import AppliedRules, NonFeatures
from .importance import Importance
from .pca_fit import PcaFit, PcaFitGatherer
from .ranges import Ranges, RangesGatherer
from .scores import ClassScores, ClassScoresGatherer, ScoreByFeature, ScoreByFeatureGatherer
from .seasons import Seasons, SeasonsGatherer
from .slices import SliceOutcomes, SliceOutcomesGatherer, Slices
from .time_blocks import TimeBlocks


class Section(Protocol):
    """One thing that a baseline may know beside its bins and its pane. Sums and names, never a row."""

    def to_json(self) -> Any:
        """Return plain JSON values, equal for equal pieces: the digest of the baseline is that of its text."""

    @classmethod
    def from_json(cls, value: object, bins: ModelBins, /) -> Self:
        """Read it back and check it; ``bins``: those of the baseline. Raises ``ValueError`` that names the rule."""

    def leaving(self, features: FeatureFilter, /) -> Self | None:
        """Return the section under privacy rules, None for nothing."""


@dataclass(frozen=True, slots=True)
class Extras:
    """The pieces a baseline has; None where it lacks one.

    Attributes:
        importance: Of each feature to the model.
        ranges: The least and the greatest value of each number.
        period: When the rows were predicted.
        blocks: What they looked like in each stretch of that time.
        repeats: How many of the rows are different.
        fitted: How well the space of the features fits its own rows.
        class_scores: Of a multiclass model, class by class.
        score_by: The mean score where each feature has which values.
        marks: Which features are none, and compared with nothing.
        embeddings: How each of them is projected.
        ruled: Which are hashed or rounded already.
        seasons: What the rows looked like hour by hour, or day by day.
        slices: The rows of each value of cuts such as a country.
        estimation: What estimates of performance need.
        slice_outcomes: How right the model was in each of these slices.
        unread: Pieces that a newer driftline wrote, as their JSON: kept, so that the digest stays the same.
    """

    importance: Importance | None = None
    ranges: Ranges | None = None
    period: Period | None = None
    blocks: TimeBlocks | None = None
    repeats: Repeats | None = None
    fitted: PcaFit | None = None
    class_scores: ClassScores | None = None
    score_by: ScoreByFeature | None = None
    marks: NonFeatures | None = None
    embeddings: Embeddings | None = None
    ruled: AppliedRules | None = None
    seasons: Seasons | None = None
    slices: Slices | None = None
    estimation: Estimation | None = None
    slice_outcomes: SliceOutcomes | None = None
    unread: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.unread) or any(getattr(self, name) is not None for name in PIECES)

    def to_json(self) -> dict[str, Any]:
        """Return the pieces by key; those that are not there have none.

        >>> Extras(importance=Importance({"age": 0.5})).to_json()
        {'importance': {'age': 0.5}}
        """
        pieces = {name: getattr(self, name) for name in PIECES}
        return {**self.unread, **{name: piece.to_json() for name, piece in pieces.items() if piece is not None}}

    @classmethod
    def from_json(cls, value: object, bins: ModelBins) -> Extras:
        """Read the pieces. Raises ``ValueError`` that names key and rule."""
        pieces: dict[str, Any] = {}
        unread = {}
        for name, entry in by_name(value).items():
            if name not in PIECES:
                unread[name] = entry
                continue
            try:
                pieces[name] = PIECES[name].from_json(entry, bins)
            except (ValueError, OverflowError) as error:
                raise ValueError(f"{name}: {error}") from None
        return cls(**pieces, unread=unread)

    def leaving(self, features: FeatureFilter) -> Extras:
        """Return what may leave under privacy rules, see :meth:`Section.leaving`; what nobody can read stays here."""
        pieces = {name: piece for name in PIECES if (piece := getattr(self, name)) is not None}
        return Extras(**{name: piece.leaving(features) for name, piece in pieces.items()})


PIECES: dict[str, type[Section]] = {
    "importance": Importance,
    "ranges": Ranges,
    "period": Period,
    "blocks": TimeBlocks,
    "repeats": Repeats,
    "fitted": PcaFit,
    "class_scores": ClassScores,
    "score_by": ScoreByFeature,
    "marks": NonFeatures,
    "embeddings": Embeddings,
    "ruled": AppliedRules,
    "seasons": Seasons,
    "slices": Slices,
    "estimation": Estimation,
    "slice_outcomes": SliceOutcomes,
}
"""JSON key and field of :class:`Extras` → what reads and writes it."""

FOLDED_OVER = ("embeddings",)
"""Sections that define how rows are counted: panes add up only where these are equal, too."""


class Gatherer(Protocol):
    """Gathers one piece of the extras from every row. It holds sums, never rows."""

    def add(self, table: PredictionTable, actual: Column | None) -> None:
        """Take in more rows, and what really happened, where that is known."""

    def piece(self) -> Any:
        """Return the content of the section; None where the rows tell nothing."""


GATHERERS: dict[str, Callable[[ReferenceSetup], Gatherer]] = {
    "ranges": RangesGatherer,
    "repeats": RepeatsGatherer,
    "fitted": PcaFitGatherer,
    "class_scores": ClassScoresGatherer,
    "score_by": ScoreByFeatureGatherer,
    "seasons": SeasonsGatherer,
    "estimation": EstimationGatherer,
    "slice_outcomes": SliceOutcomesGatherer,
}
"""Field of :class:`driftline.baseline.sections.catalogue.Extras` → what begins to gather it. A new one is a class and
a line here.
"""
