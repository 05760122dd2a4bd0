"""The baselines of the running processor for those who ask: put one in force, get it, build one from production.

A baseline of what production was: the panes of a stretch of time, merged.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.ranges import Ranges
from driftline.baseline.sections.time_blocks import Period, TimeBlocks, TimeGrid
from driftline.panes.pane import merge
from driftline.tables.table import ModelKey
from driftline.tables.timestamps import AnySeasonality

from driftline_processor.ingest.transaction import Request
from driftline_processor.receipts import Overloaded, Receipt
from driftline_processor.store.baselines import ActiveBaseline, Baselines
from driftline_processor.store.database import Connection, Store, left_behind
from driftline_processor.store.duplicate_rows import repeats_between
from driftline_processor.store.reference_panes import StoredPast, add_seasons, counted_panes, read_counted
from driftline_processor.store.series import Series, SeriesRegister
from driftline_processor.store.slices import slices_between


def production_baseline(
    connection: Connection,
    series: Series,
    like: Baseline,
    since: int,
    until: int,
    seasonality: AnySeasonality | None = None,
) -> Baseline | None:
    """Return the rows of a series between two times (unix nanoseconds, until excluded) as a baseline.

    Over the bins of ``like``, and only of panes that were counted over them: what was counted over another baseline's
    cannot be added. ``like`` lends its texts, columns, importance, and all that says how rows are read.
    ``seasonality``: by which seasons the rows are told apart, too. None where no pane of that time was.

    A rolling reference is this one, again and again: "the last 30 days without the last".
    """
    starts = counted_panes(connection, series.number, like.fold, since, until)
    stretches = TimeGrid.of(starts)
    if not len(starts):
        return None
    ends = (
        []
        if stretches is None
        else [stretches.start + index * stretches.length for index in range(stretches.count + 1)]
    )
    ends = [since, *(min(max(end, since), until) for end in ends), until]  # before, in each stretch, and behind
    panes = read_counted(connection, series, like, list(pairwise(ends)), outcomes=True)
    whole = merge(panes)
    blocks = None if stretches is None else TimeBlocks.folded(stretches, panes[1:-1], like.bins)
    if not whole.rows:
        return None
    fitted = like.extras.pca_fit and replace(like.extras.pca_fit, rows=0)  # its space was chosen from other rows
    # what the rows of `like` were is left out; what says how rows are read and folded stays
    repeats = repeats_between(connection, series.number, since, until)
    extras = replace(
        like.extras, ranges=Ranges.counted(whole, like.bins), repeats=repeats, class_scores=None, pca_fit=fitted
    )
    extras = replace(extras, seasons=None, slices=slices_between(connection, series, like, since, until))
    extras = replace(extras, slice_outcomes=None)
    extras = replace(extras, period=Period(int(starts[0]), int(starts[-1])), blocks=blocks)
    found = replace(
        like,
        version=series.key.version,
        task=series.task,
        pane=whole,
        provisional=False,
        extras=extras,
    )
    if seasonality is None:
        return found
    return add_seasons(StoredPast(connection, series, found), found, since, until, seasonality)


class ConfiguredBaselineError(Exception):
    """The configuration names the model's baseline, and its word is last."""


class BaselineShelf:
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

        Raises :class:`ConfiguredBaselineError` where the configuration names another, Overloaded when the queue is
        full.
        """
        named = self._configured.get(baseline.model)
        if named is not None and named.digest != baseline.digest:
            raise ConfiguredBaselineError(
                f"driftline.yaml sets the baseline of {baseline.model}, which takes precedence; "
                f"set the new one there, or remove models.{baseline.model}.baseline"
            )
        text = baseline.to_json()
        # of its own: after A and B, A put again is news
        return self._offer(Request(os.urandom(16), pushed=[text]), len(text))

    def in_force(self, key: ModelKey) -> ActiveBaseline | None:
        """Return the reference of a model, None without one."""
        return self._baselines.in_force(key)

    def of_production(self, key: ModelKey, since: int, until: int) -> Baseline | None:
        """Return the rows that were counted between two times as a baseline; None where none were."""
        series = self._series.find(key)
        in_force = self._baselines.in_force(key)
        if series is None or in_force is None:
            return None
        seasons = self._series.settings(key.model).seasons
        with self._store.reading() as connection:
            return production_baseline(connection, series, in_force.baseline, since, until, seasons)


def production_of_state(directory: Path, key: ModelKey, since: int, until: int) -> Baseline | None:
    """Return the baseline of production, as :meth:`BaselineShelf.of_production`, from a stopped processor's state.

    Raises StorageError when there is none, or a processor that runs has it open.
    """
    with left_behind(directory) as store, store.reading() as connection:
        series, baselines = SeriesRegister(connection, {}), Baselines(connection, {})
        return BaselineShelf(store, series, baselines, {}, _closed).of_production(key, since, until)


def _closed(_request: Request, _size: int) -> Future[Receipt]:
    raise Overloaded
