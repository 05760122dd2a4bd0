"""The optional sections of a baseline, their keys under ``extras`` in the JSON, and their gatherers.

A new section is a frozen dataclass in its own file, a :class:`~driftline.baseline.sections.section.Section`, and a
field of :class:`Extras`. A section that is gathered from all reference rows also has a gatherer: a class, and a line of
:data:`GATHERERS`.
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
from driftline.tables.text import short_record

from .duplicate_rows import Repeats, RepeatsGatherer
from .estimation import Estimation, EstimationGatherer
from .feature_marks import AppliedRules, NonFeatures
from .importance import Importance
from .loss_cells import LossByPart, LossByPartGatherer
from .outcome_spread import OutcomeSpread
from .pca_fit import PcaFit, PcaFitGatherer
from .ranges import Ranges, RangesGatherer
from .row_blocks import RowBlocks, RowBlocksGatherer
from .scores import ClassScores, ClassScoresGatherer, ScoreByFeature, ScoreByFeatureGatherer
from .seasons import Seasons, SeasonsGatherer
from .section import Section
from .slices import SliceOutcomes, SliceOutcomesGatherer, Slices
from .time_blocks import TimeBlocks


@dataclass(frozen=True, slots=True)
class Extras:
    """The optional sections of a baseline; None if a section is missing.

    Attributes:
        importance: Importance of each feature.
        ranges: Minimum and maximum of each number.
        period: Time of the first and the last row.
        blocks: Distributions per time block.
        repeats: Number of duplicate rows.
        pca_fit: Fit of the principal components to the reference rows.
        class_scores: Scores per class of a multiclass model.
        score_means: Mean score per cell of each feature.
        marks: Columns that are not features and are not compared.
        applied_rules: Features that are already hashed or rounded.
        seasons: Distributions per season.
        slices: Rows per value of slice keys, such as a country.
        estimation: Learned parameters of performance estimation.
        slice_outcomes: Performance per slice.
        losses: Loss per cell of each feature, and per value of each slice key.
        outcome_spread: Distance of the outcomes of a regression from their median.
        row_blocks: Performance per block of consecutive rows, if these are autocorrelated and have no times.
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
    losses: LossByPart | None = None
    outcome_spread: OutcomeSpread | None = None
    row_blocks: RowBlocks | None = None

    __repr__ = short_record

    def sections(self) -> dict[str, Section]:
        """Return the existing sections by the names of their fields.

        >>> Extras(importance=Importance({"age": 0.5})).sections()
        {'importance': Importance(by_feature={'age': 0.5})}
        """
        return {field.name: section for field in fields(self) if (section := getattr(self, field.name)) is not None}

    def check_bins(self, bins: ModelBins) -> None:
        """Raise ``ValueError``, with the name of the section, if a section does not fit the bins."""
        for name, section in self.sections().items():
            try:
                section.check_bins(bins)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None

    def leaving(self, features: FeatureFilter) -> Extras:
        """Apply privacy rules to the sections; see :meth:`Section.leaving`."""
        sections: dict[str, Any] = {name: section.leaving(features) for name, section in self.sections().items()}
        return Extras(**sections)


class Gatherer(Protocol):
    """Gathers one section from all reference rows. It keeps sums, never rows."""

    def add(self, table: PredictionTable, actual: Column | None) -> None:
        """Add rows, with their actual values if known."""

    def piece(self) -> Any:
        """Return the section; None if the rows do not suffice."""


GATHERERS: dict[str, Callable[[ReferenceSetup], Gatherer]] = {
    "ranges": RangesGatherer,
    "repeats": RepeatsGatherer,
    "pca_fit": PcaFitGatherer,
    "class_scores": ClassScoresGatherer,
    "score_means": ScoreByFeatureGatherer,
    "seasons": SeasonsGatherer,
    "estimation": EstimationGatherer,
    "slice_outcomes": SliceOutcomesGatherer,
    "losses": LossByPartGatherer,
    "row_blocks": RowBlocksGatherer,
}
"""Field of :class:`driftline.baseline.sections.catalogue.Extras` → constructor of its gatherer."""
