"""The settings for evaluating the windows of one model, the same live and for files."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from driftline.tables.timestamps import AnySeasonality, UnknownSeasonality
from msgspec import Struct, field

from driftline_processor.core.drift.method_choice import Choices
from driftline_processor.core.expectations.rule import Expectations
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.performance.settings import STANDARD, PerformanceSettings
from driftline_processor.core.reference.rolling import Rolling

from .versions.side_by_side import VersionNames


class ModelSettings(Struct, frozen=True):
    """Settings for evaluating the windows of one model.

    Attributes:
        windows: The names of the windows, such as ``"1d"``; () = all rows are one window.
        timezone: Time zone in which days begin, an IANA name.
        rolling: The past that windows are compared with; None = the rows of the baseline.
        seasons: The seasons of the rows, or those of the reference; None = no seasons.
        slices: The keys by whose values drift is evaluated.
        min_effect: Feature → the minimum effect that counts as drift.
        choices: The drift methods of the features.
        multivariate: The multivariate methods; None = all.
        expectations: The expectations of the model's data.
        concept: Whether concept drift is tested.
        performance: Settings of performance.
        outcome_delay: Usual delay of outcomes; None = as learned.
        versions: The champion, and the roles of the other versions.
    """

    windows: tuple[str, ...] = ()
    timezone: str = "UTC"
    rolling: Rolling | None = None
    seasons: AnySeasonality | None = field(default_factory=UnknownSeasonality)
    slices: tuple[str, ...] = ()
    min_effect: Mapping[str, float] = field(default_factory=dict)
    choices: Choices = field(default_factory=Choices)
    multivariate: Collection[str] | None = None
    expectations: Expectations = field(default_factory=Expectations)
    concept: bool = True
    performance: PerformanceSettings = STANDARD
    outcome_delay: OutcomeDelay | None = None
    versions: VersionNames = field(default_factory=VersionNames)


DEFAULTS = ModelSettings()
"""The default settings."""
