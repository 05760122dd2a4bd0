"""The settings of windows from a model's section of ``driftline.yaml``, and learned outcome delays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
from driftline.tables.table import F64
from msgspec import structs

from driftline_processor.core.labels.delay import PART, UNKNOWN_DELAY, WIDTH, OutcomeDelay, learn_outcome_delay
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.performance.objective import Objective
from driftline_processor.store.database import Connection, read
from driftline_processor.store.panes import OUTCOMES, performance_fold, read_sums
from driftline_processor.store.pruning import Condition
from driftline_processor.store.series import Series, SeriesRegister

if TYPE_CHECKING:
    from driftline_processor.config.model import Model


class OutcomeDelays:
    """Learns the outcome delay of a model in an environment, over all its versions.

    One thread learns; any thread may read.
    """

    def __init__(self, connection: Connection, series: SeriesRegister) -> None:
        self._connection, self._series = connection, series
        self._learned: dict[tuple[str, str], OutcomeDelay] = {}
        self._joined = -1

    def of(self, series: Series) -> OutcomeDelay:
        """Return the outcome delay of a model; the value of driftline.yaml wins."""
        configured = configured_delay(self._series.settings(series.key.model))
        return configured or self._learned.get((series.key.environment, series.key.model), UNKNOWN_DELAY)

    def learn(self, joined: int, idle: bool) -> None:
        """Learn again after enough new outcomes. ``joined``: the sequence number of the last joined outcome."""
        more = joined - self._joined
        # 50: learn again after 2 % more outcomes, or when idle
        if more > 0 and (idle or more >= self._joined // 50):
            self._joined = joined
            self._learned = self._read(self._series)

    def _read(self, serieses: Iterable[Series]) -> dict[tuple[str, str], OutcomeDelay]:
        counts_by_model: dict[tuple[str, str], F64] = {}
        counted = read(
            self._connection,
            "SELECT series, fold, idx, sum(value) AS value FROM sums GROUP BY ALL",
            sums=read_sums(
                self._connection, Condition("starts_with(fold, ?)", (OUTCOMES,)), wanted=lambda _, part: part == PART
            ),
        ).to_pylist()
        by_number = {series.number: series for series in serieses}
        for row in counted:
            series = by_number.get(row["series"])
            if series is not None and row["fold"] == performance_fold(series.task):
                counts = counts_by_model.setdefault((series.key.environment, series.key.model), np.zeros(WIDTH))
                counts[row["idx"]] += row["value"]
        return {key: learn_outcome_delay(counts) for key, counts in counts_by_model.items()}


def settings_of(model: Model, objectives: Sequence[Objective] = ()) -> ModelSettings:
    """Return the settings of a model in ``driftline.yaml``; ``objectives``: those of its policies."""
    performance = model.performance.settings
    known = {objective.rule for objective in performance.objectives}
    more = tuple(objective for objective in objectives if objective.rule not in known)
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
        performance=structs.replace(performance, objectives=(*performance.objectives, *more)),
        outcome_delay=configured_delay(model),
        versions=model.versions.names,
    )


def configured_delay(model: Model) -> OutcomeDelay | None:
    """Return the outcome delay in ``driftline.yaml``; None if it has none."""
    if model.outcome_delay is None:
        return None
    return OutcomeDelay(model.outcome_delay // timedelta(microseconds=1) * 1000, "configured")
