"""The optional sections of a baseline, each with its key under ``extras`` in the JSON, and how each is gathered.

A new section is a frozen dataclass in a file of its own, a :class:`~driftline.baseline.sections.section.Section`, and a
field of :class:`Extras`. What is gathered from all reference rows while a baseline is built, a table at a time, has a
gatherer, too: a class and a line of :data:`GATHERERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Protocol

from driftline.baseline.reference_rows import ReferenceSetup
from driftline.baseline.sections.time_blocks import Period
from driftline.panes.model_bins import ModelBins
from driftline.privacy.rules import FeatureFilter
from driftline.tables.table import Column, PredictionTable

from .duplicate_rows import Repeats, RepeatsGatherer
from .estimation import Estimation, EstimationGatherer
from .feature_marks import AppliedRules, NonFeatures
from .importance import Importance
from .pca_fit import PcaFit, PcaFitGatherer
from .ranges import Ranges, RangesGatherer
from .scores import ClassScores, ClassScoresGatherer, ScoreByFeature, ScoreByFeatureGatherer
from .seasons import Seasons, SeasonsGatherer
from .section import Section
from .slices import SliceOutcomes, SliceOutcomesGatherer, Slices
from .time_blocks import TimeBlocks


@dataclass(frozen=True, slots=True)
class Extras:
    """The pieces a baseline has; None where it lacks one.

    Attributes:
        importance: Of each feature to the model.
        ranges: The least and the greatest value of each number.
        period: When the rows were predicted.
        blocks: What they looked like in each stretch of that time.
        repeats: How many of the rows are different.
        pca_fit: How well the space of the features fits its own rows.
        class_scores: Of a multiclass model, class by class.
        score_means: The mean score where each feature has which values.
        marks: Which features are none, and compared with nothing.
        applied_rules: Which are hashed or rounded already.
        seasons: What the rows looked like hour by hour, or day by day.
        slices: The rows of each value of cuts such as a country.
        estimation: What estimates of performance need.
        slice_outcomes: How right the model was in each of these slices.
    """

    importance: Importance | None = None
    ranges: Ranges | None = None
    period: Period | None = None
    blocks: TimeBlocks | None = None
    repeats: Repeats | None = None
    pca_fit: PcaFit | None = None
    class_scores: ClassScores | None = None
    score_means: ScoreByFeature | None = None
    marks: NonFeatures | None = None
    applied_rules: AppliedRules | None = None
    seasons: Seasons | None = None
    slices: Slices | None = None
    estimation: Estimation | None = None
    slice_outcomes: SliceOutcomes | None = None

    def sections(self) -> dict[str, Section]:
        """Return the sections that there are, by the names of their fields.

        >>> Extras(importance=Importance({"age": 0.5})).sections()
        {'importance': Importance(by_feature={'age': 0.5})}
        """
        return {field.name: section for field in fields(self) if (section := getattr(self, field.name)) is not None}

    def check_bins(self, bins: ModelBins) -> None:
        """Raise ``ValueError``, with the name of the section, where one does not fit the bins."""
        for name, section in self.sections().items():
            try:
                section.check_bins(bins)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None

    def leaving(self, features: FeatureFilter) -> Extras:
        """Return the sections under privacy rules, see :meth:`Section.leaving`."""
        sections: dict[str, Any] = {name: section.leaving(features) for name, section in self.sections().items()}
        return Extras(**sections)


class Gatherer(Protocol):
    """Gathers one piece of the extras from every row. It holds sums, never rows."""

    def add(self, table: PredictionTable, actual: Column | None) -> None:
        """Take in more rows, and what really happened, where that is known."""

    def piece(self) -> Any:
        """Return the content of the section; None where the rows tell nothing."""


GATHERERS: dict[str, Callable[[ReferenceSetup], Gatherer]] = {
    "ranges": RangesGatherer,
    "repeats": RepeatsGatherer,
    "pca_fit": PcaFitGatherer,
    "class_scores": ClassScoresGatherer,
    "score_means": ScoreByFeatureGatherer,
    "seasons": SeasonsGatherer,
    "estimation": EstimationGatherer,
    "slice_outcomes": SliceOutcomesGatherer,
}
"""Field of :class:`driftline.baseline.sections.catalogue.Extras` → what begins to gather it. A new one is a class and
a line here.
"""
