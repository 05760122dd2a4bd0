"""How long the outcomes of each model may take: as driftline.yaml says, else as learned from those that have come."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import numpy as np
from driftline.tables import F64

from driftline_processor.core.labels.delay import PART, WIDTH
from driftline_processor.core.labels.outcome_delay import UNKNOWN_DELAY, OutcomeDelay, learn_outcome_delay

from .config import Model
from .panes import performance_fold
from .series import Series, SeriesRegister
from .store import Connection, read

MORE = 50
"""Learned anew when the outcomes have become more by a fiftieth, or when nothing else is to be done."""


class OutcomeDelays:
    """Learns from all versions of a model in an environment together: their outcomes come the same way.

    One thread learns; any may ask.
    """

    def __init__(self, connection: Connection, series: SeriesRegister) -> None:
        self._connection, self._series = connection, series
        self._learned: dict[tuple[str, str], OutcomeDelay] = {}
        self._joined = -1

    def of(self, series: Series) -> OutcomeDelay:
        """Return how long the outcomes of a model may take; what driftline.yaml says wins."""
        said = configured(self._series.settings(series.key.model))
        return said or self._learned.get((series.key.environment, series.key.model), UNKNOWN_DELAY)

    def learn(self, joined: int, idle: bool) -> None:
        """Learn anew where enough outcomes have come. ``joined``: the sequence number of the last one that joined."""
        more = joined - self._joined
        if more > 0 and (idle or more >= self._joined // MORE):
            self._joined = joined
            self._learned = self._read(self._series)

    def _read(self, known: Iterable[Series]) -> dict[tuple[str, str], OutcomeDelay]:
        found: dict[tuple[str, str], F64] = {}
        counted = read(
            self._connection,
            "SELECT series, fold, idx, sum(value) AS value FROM panes WHERE part = ? GROUP BY ALL",
            PART,
        ).to_pylist()
        by_number = {series.number: series for series in known}
        for row in counted:
            series = by_number.get(row["series"])
            if series is not None and row["fold"] == performance_fold(series.task):
                counts = found.setdefault((series.key.environment, series.key.model), np.zeros(WIDTH))
                counts[row["idx"]] += row["value"]
        return {key: learn_outcome_delay(counts) for key, counts in found.items()}


def configured(settings: Model) -> OutcomeDelay | None:
    """Return the delay that driftline.yaml names; None where it names none."""
    if settings.outcome_delay is None:
        return None
    return OutcomeDelay(settings.outcome_delay // timedelta(microseconds=1) * 1000, "configured")
