"""The settings of windows from a model's section of ``driftline.yaml``, and learned outcome delays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
from driftline.tables.table import F64
from msgspec import structs

from driftline_processor.core.labels.delay import (
    BOUNDS,
    UNKNOWN_DELAY,
    WIDTH,
    OutcomeDelay,
    Spread,
    learn_outcome_delay,
)
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.performance.objective import Objective
from driftline_processor.core.windows.window import DAY
from driftline_processor.store.database import Connection, read
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
        # 50, 1000: 2 % more outcomes, or 0.1 % when idle, since all of them are read: 5 million in a second
        if more > 0 and more >= self._joined // (1000 if idle else 50):
            self._joined = joined
            self._learned = self._read()

    def _read(self) -> dict[tuple[str, str], OutcomeDelay]:
        """Return the delays of the outcomes that count and are not dated by an import."""
        later = f"(time + least(delay, {BOUNDS[-1] * 10**9}))"
        rows = read(
            self._connection,
            f"SELECT environment, model, {_place('delay')} AS place, {_place('newest - time')} AS age,"
            f" count(*) AS outcomes, var_pop(time / {DAY}) AS made, var_pop({later} / {DAY}) AS known"
            " FROM joined JOIN models USING (series) JOIN (SELECT environment, model, max(time + delay) AS newest"
            " FROM joined JOIN models USING (series) WHERE delay >= 0 GROUP BY environment, model)"
            " USING (environment, model) WHERE delay >= 0"
            " GROUP BY GROUPING SETS ((environment, model, place, age), (environment, model))"
            " ORDER BY place NULLS LAST",
        ).to_pylist()
        counts: dict[tuple[str, str], F64] = {}
        learned = {}
        for row in rows:
            key = row["environment"], row["model"]
            if row["place"] is None:
                learned[key] = learn_outcome_delay(counts[key], Spread(row["made"], row["known"]))
            else:
                counts.setdefault(key, np.zeros((WIDTH, WIDTH)))[row["age"], row["place"]] = row["outcomes"]
        return learned


def _place(duration: str) -> str:
    """Return the SQL of the place of a duration among the bounds."""
    places = (f"WHEN {duration} <= {bound * 10**9} THEN {place}" for place, bound in enumerate(BOUNDS))
    return f"CASE {' '.join(places)} ELSE {len(BOUNDS)} END"


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
