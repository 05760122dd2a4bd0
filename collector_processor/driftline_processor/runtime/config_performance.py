"""What ``driftline.yaml`` may ask of a model's performance: ``models.NAME.performance``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from driftline_processor.core.performance.asked import Asked, Shares

from .config_values import Between, Cutoff, Share


class Performance(BaseModel):
    """How sure intervals are, and how many outcomes a window needs before its performance counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    confidence: Between = 0.95
    min_coverage: Share = 0.0
    cutoffs: tuple[Cutoff, ...] = ()
    intervals: Shares = "clopper_pearson"

    @property
    def asked(self) -> Asked:
        """The same, as an evaluation takes it."""
        return Asked(self.confidence, self.min_coverage, self.cutoffs, self.intervals)
