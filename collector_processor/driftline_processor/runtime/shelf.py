"""The baselines of the running processor for those who ask: put one in force, get it, get one of production."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path

from driftline.baseline import Baseline
from driftline.tables import ModelKey

from .baselines import Baselines, InForce
from .intake import Request
from .production import of_production
from .series import SeriesRegister
from .signals import Overloaded, Receipt
from .store import Store, left_behind


class Named(Exception):  # noqa: N818 - an answer, not a fault
    """The configuration names the model's baseline, and its word is last."""


class Shelf:
    """Any thread may ask."""

    def __init__(
        self,
        store: Store,
        series: SeriesRegister,
        baselines: Baselines,
        configured: Mapping[str, Baseline],
        offer: Callable[[Request, int], Future[Receipt]],
    ) -> None:
        self._store, self._series, self._baselines = store, series, baselines
        self._configured, self._offer = configured, offer

    def put(self, baseline: Baseline) -> Future[Receipt]:
        """Store a baseline, which is in force for its model and version as soon as the future resolves.

        Raises :class:`Named` where the configuration names another, Overloaded when the queue is full.
        """
        named = self._configured.get(baseline.model)
        if named is not None and named.digest != baseline.digest:
            raise Named(
                f"driftline.yaml names the baseline of {baseline.model}, and that one holds; "
                f"put the new one there, or remove models.{baseline.model}.baseline"
            )
        text = baseline.to_json()
        # of its own: after A and B, A put again is news
        return self._offer(Request(os.urandom(16), pushed=[text]), len(text))

    def in_force(self, key: ModelKey) -> InForce | None:
        """Return what a model is compared with, None where it has nothing."""
        return self._baselines.in_force(key)

    def of_production(self, key: ModelKey, since: int, until: int) -> Baseline | None:
        """Return the rows that were counted between two times as a baseline; None where none were."""
        series = self._series.find(key)
        in_force = self._baselines.in_force(key)
        if series is None or in_force is None:
            return None
        seasons = self._series.settings(key.model).seasons
        with self._store.reading() as connection:
            return of_production(connection, series, in_force.baseline, since, until, seasons)


def production_of_state(directory: Path, key: ModelKey, since: int, until: int) -> Baseline | None:
    """Return what :meth:`Shelf.of_production` does, from the state that a processor left behind.

    Raises StorageError when there is none, or a processor that runs has it open.
    """
    with left_behind(directory) as store, store.reading() as connection:
        series, baselines = SeriesRegister(connection, {}), Baselines(connection, {})
        return Shelf(store, series, baselines, {}, _closed).of_production(key, since, until)


def _closed(_request: Request, _size: int) -> Future[Receipt]:
    raise Overloaded
