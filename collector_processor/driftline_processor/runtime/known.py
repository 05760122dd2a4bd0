"""What the store knows of the outcomes of a window beside their sums."""

from __future__ import annotations

from datetime import timedelta

from driftline_processor.core.evaluation import Window
from driftline_processor.core.performance.known import Known

from .config import Model


class KnownOutcomes:
    """Reads it. One thread uses it."""

    def of(self, window: Window, settings: Model, watermark: int) -> Known:
        """Return what is known of a window. ``watermark``: that of its model, unix nanoseconds."""
        delay = settings.outcome_delay // timedelta(microseconds=1) * 1000
        return Known(young=watermark - window.end < delay)
