"""What was wrong with the data of a model, counted as they arrive, for a hint.

The counts are in memory, so a new process counts from 0.
"""

from __future__ import annotations

from collections.abc import Collection

from driftline.tables.table import ModelKey

from driftline_processor.core.windows.window import DAY

MOST_MODELS = 2_000
"""Maximum number of models, versions and environments with a count; the one that was counted first is dropped."""


class ModelCounts:
    """Counts of points or rows by model, version and environment, which are forgotten a day after the last one.

    >>> points = ModelCounts()
    >>> points.add(ModelKey("churn"), 3, now=0)
    >>> points.of(ModelKey("churn"), now=DAY), points.of(ModelKey("churn"), now=DAY + 1)
    (3, 0)
    """

    def __init__(self) -> None:
        self._counts: dict[ModelKey, tuple[int, int]] = {}

    def add(self, key: ModelKey, points: int, now: int) -> None:
        """Count points or rows that arrived at ``now``, unix nanoseconds."""
        self._counts[key] = (self.of(key, now) + points, now)
        if len(self._counts) > MOST_MODELS:
            del self._counts[next(iter(self._counts))]

    def discard(self, models: Collection[tuple[str, str]]) -> None:
        """Drop the counts of models, by name and environment, because their rows arrive."""
        for key in [*self._counts]:
            if (key.model, key.environment) in models:
                del self._counts[key]

    def __len__(self) -> int:
        """Return the number of models, versions and environments with a count."""
        return len(self._counts)

    def of(self, key: ModelKey, now: int) -> int:
        """Return the points of a model; 0 if none arrived for a day, after which they are counted from 0."""
        points, arrived = self._counts.get(key, (0, now))
        return points if now - arrived <= DAY else 0

    def by_model(self, now: int, without: Collection[str]) -> dict[str, int]:
        """Return the points by the name of the model, except for the models ``without``."""
        found: dict[str, int] = {}
        for key in [*self._counts]:  # another thread may add one
            if key.model not in without and (points := self.of(key, now)):
                found[key.model] = found.get(key.model, 0) + points
        return found
