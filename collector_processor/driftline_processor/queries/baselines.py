"""The baselines of the running processor: set one, get the active one, build one from production data.

A baseline of production is the merge of the panes of a period.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from itertools import pairwise

from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.ranges import Ranges
from driftline.baseline.sections.time_blocks import Period, TimeBlocks, TimeGrid
from driftline.tables.table import ModelKey
from driftline.tables.timestamps import AnySeasonality

from driftline_processor.core.labels.delay import PART as DELAY
from driftline_processor.core.windows.window import Window
from driftline_processor.ingest.transaction import Request
from driftline_processor.receipts import Receipt
from driftline_processor.store.baselines import ActiveBaseline, Baselines
from driftline_processor.store.database import Connection, Store
from driftline_processor.store.duplicate_rows import repeats_between
from driftline_processor.store.pane_memory import PaneMemory
from driftline_processor.store.panes import performance_fold
from driftline_processor.store.reference_panes import PLAIN, KeptStretches, RememberedPast, add_seasons, without_notes
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
    """Return the rows of a series between two times (unix nanoseconds, ``until`` excluded) as a baseline.

    It has the bins of ``like`` and only panes that were counted over them, because others cannot be added. Texts,
    columns, importance and the settings for reading rows are those of ``like``. ``seasonality``: seasons that
    separate the rows. None if there is no pane in that time.

    A rolling reference uses this repeatedly: "the last 30 days without the last".
    """
    memory = PaneMemory(connection, {like.fold: like}.get)
    past = RememberedPast(memory, KeptStretches(), series, like)
    starts = past.starts(since, until)
    stretches = TimeGrid.of(starts)
    if not len(starts):
        return None
    # the delay of outcomes is not a property of the model
    folds = {"": PLAIN.__contains__, performance_fold(series.task): lambda part: part != DELAY}
    [whole] = memory.counted(series, like.fold, [Window("", since, until)], folds)
    whole = without_notes(whole, like)
    blocks = None
    if stretches is not None:
        ends = [stretches.start + index * stretches.length for index in range(stretches.count + 1)]
        periods = list(pairwise(min(max(end, since), until) for end in ends))
        blocks = TimeBlocks.folded(stretches, past.panes(periods), like.bins)
    if not whole.rows:
        return None
    fitted = like.extras.pca_fit and replace(like.extras.pca_fit, rows=0)  # its space was fitted to other rows
    # statistics of the rows of `like` are left out; settings for reading and folding rows stay
    repeats = repeats_between(connection, series.number, since, until)
    extras = replace(
        like.extras, ranges=Ranges.counted(whole, like.bins), repeats=repeats, class_scores=None, pca_fit=fitted
    )
    extras = replace(extras, seasons=None, slices=slices_between(connection, series, like, ((since, until),)))
    extras = replace(extras, slice_outcomes=None)
    extras = replace(extras, period=Period(int(starts[0]), int(starts[-1])), blocks=blocks)
    baseline = replace(
        like,
        version=series.key.version,
        task=series.task,
        pane=whole,
        provisional=False,
        extras=extras,
    )
    if seasonality is None:
        return baseline
    return add_seasons(past, baseline, ((since, until),), seasonality)


class ConfiguredBaselineError(Exception):
    """The configuration sets the model's baseline and takes precedence."""


class BaselineShelf:
    """Active and new baselines. Thread-safe."""

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
        """Store a baseline, which is active for its model and version as soon as the future resolves.

        Raises :class:`ConfiguredBaselineError` if the configuration sets another one, Overloaded if the queue is full.
        """
        named = self._configured.get(baseline.model)
        if named is not None and named.digest != baseline.digest:
            raise ConfiguredBaselineError(
                f"driftline.yaml sets the baseline of {baseline.model}, which takes precedence; "
                f"set the new one there, or remove models.{baseline.model}.baseline"
            )
        text = baseline.to_json()
        # a separate entry: after A and B, A is new again
        return self._offer(Request(os.urandom(16), pushed=[text]), len(text))

    def in_force(self, key: ModelKey) -> ActiveBaseline | None:
        """Return the active baseline of a model, None without one."""
        return self._baselines.in_force(key)

    def of_production(self, key: ModelKey, since: int, until: int) -> Baseline | None:
        """Return the rows between two times as a baseline; None if there are none."""
        series = self._series.find(key)
        in_force = self._baselines.in_force(key)
        if series is None or in_force is None:
            return None
        seasons = self._series.settings(key.model).seasons
        with self._store.reading() as connection:
            return production_baseline(connection, series, in_force.baseline, since, until, seasons)
