"""Prediction times that are improbable, counted by model as rows arrive: unread, in another unit, ahead, or refused.

Rows whose time cannot be read have the time of the call. The counts are of today and yesterday by the wall clock, in
memory: a new process counts from 0.
"""

from __future__ import annotations

import numpy as np
from driftline.tables.table import I64, ModelKey

from driftline_processor.core.windows.improbable_times import AHEAD, ImprobableTimes, add_times, count_other_unit
from driftline_processor.core.windows.window import DAY

MOST_MODELS = 2_000
"""Maximum number of models, versions and environments with a count; the one that was counted first is dropped."""


class PredictionTimes:
    """Counts of improbable prediction times, by model, version and environment."""

    def __init__(self) -> None:
        self._days: dict[ModelKey, dict[int, ImprobableTimes]] = {}

    def add(self, key: ModelKey, times: I64, refused: int, undated: int, now: int) -> None:
        """Count the rows of one table.

        Args:
            key: The model.
            times: int64 (n,), unix nanoseconds, of accepted and refused rows.
            refused: Number of them that were refused for their time.
            undated: Number of them whose time could not be read.
            now: The present, unix nanoseconds.
        """
        ahead, today = times - now, now // DAY
        found = ImprobableTimes(
            len(times),
            undated,
            int(np.count_nonzero(ahead > AHEAD)),
            refused,
            int(times.max(initial=0)),
            *count_other_unit(times, now + AHEAD),
        )
        days = self._days.setdefault(key, {})
        days[today] = add_times(days.get(today), found)
        for day in [day for day in days if day < today - 1]:
            del days[day]
        if len(self._days) > MOST_MODELS:
            del self._days[next(iter(self._days))]

    def of(self, key: ModelKey, now: int) -> ImprobableTimes | None:
        """Return the counts of today and yesterday; None if its times are usual."""
        found: ImprobableTimes | None = None
        for day, counts in self._days.get(key, {}).items():
            if day >= now // DAY - 1:
                found = add_times(found, counts)
        return found if found is not None and found.kind else None
