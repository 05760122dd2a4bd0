"""The settings by which windows are judged, from a model's section of ``driftline.yaml``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.model_settings import ModelSettings

if TYPE_CHECKING:
    from driftline_processor.config.model import Model


def settings_of(model: Model) -> ModelSettings:
    """Return the settings of a model in ``driftline.yaml``."""
    return ModelSettings(
        windows=model.windows,
        timezone=model.timezone,
        rolling=None if model.reference is None else model.reference.rolling,
        seasons=model.seasons,
        slices=model.slices,
        min_effect=model.min_effect,
        choices=model.choices,
        multivariate=model.multivariate,
        expectations=model.expectations,
        concept=model.concept.enabled,
        performance=model.performance.asked,
        outcome_delay=configured_delay(model),
        versions=model.versions.named,
    )


def configured_delay(model: Model) -> OutcomeDelay | None:
    """Return the delay of outcomes that ``driftline.yaml`` names; None where it names none."""
    if model.outcome_delay is None:
        return None
    return OutcomeDelay(model.outcome_delay // timedelta(microseconds=1) * 1000, "configured")
