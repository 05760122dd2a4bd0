"""The windows of a running processor, from panes in the store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property, partial

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.duplicate_rows import Recurrence, Repeats
from driftline.baseline.sections.seasons import Seasons
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64, ModelKey
from driftline.tables.task import Task
from msgspec import Struct

from driftline_processor.config.values import Keep
from driftline_processor.core.evaluation import Evaluation, MetricValue
from driftline_processor.core.explain.loss_evidence import RowLosses
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.outcomes.coverage import DECIDED, DISTRIBUTED, ERASED, ERASED_AS
from driftline_processor.core.performance.window_outcomes import BlockSums
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.reference.rolling import ReferencePeriods
from driftline_processor.core.service_level.sums import FAILED
from driftline_processor.core.service_level.sums import WIDTHS as CALL_WIDTHS
from driftline_processor.core.weak_slices.slice_change import LossTiles, period_windows
from driftline_processor.core.window_context import SliceContext
from driftline_processor.core.windows.time_before import TimeBefore
from driftline_processor.core.windows.window import DAY, HOUR, PANE, Window, closed_until, is_closed, parse, window_of
from driftline_processor.join.outcome_sums import slices_of
from driftline_processor.store.baselines import Baselines
from driftline_processor.store.database import Connection, read
from driftline_processor.store.duplicate_rows import RowSamples
from driftline_processor.store.pane_memory import MOST_BYTES, OUTCOMES_AND_COUNTS, WITHOUT_OUTCOMES, PaneMemory
from driftline_processor.store.panes import (
    ALL_SLICED,
    KEEP_PANES,
    StoredSteps,
    learned_fold,
    order_by_code,
    part_width,
    performance_fold,
    read_sums,
    score_fold,
    step_query,
)
from driftline_processor.store.pruning import Condition
from driftline_processor.store.reference_panes import RollingReferences, season_mix
from driftline_processor.store.row_losses import StoredLosses, read_row_losses
from driftline_processor.store.series import Series
from driftline_processor.store.slices import SlicePanes

from .window_source import Progress, window_blocks

MOST_SLICED_BYTES = 32 << 20
"""Maximum bytes of the sums of slices in memory, for all series: twenty slices multiply an hour by twenty."""


MOST_OUTCOME_BYTES = 32 << 20
"""Maximum bytes of the sums of outcomes and row counts in memory, for all series, as part of the bytes of all panes.

They are apart from the sums of rows, which are ten times as large and do not change with late outcomes: outcomes of any
age would read the rows of weeks again.
"""

MOST_ROWS = 20_000
"""Maximum number of rows that are read to prove the cause of a degradation, evenly from each day of a window: an
evaluation of late outcomes reads them again.
"""

MOST_STEPS = 48
"""Maximum number of five-minute windows that are read through the memory of panes; more would drop those of others."""

_Wanted = Callable[[str, str], bool]
"""Returns True for the fold and part to read."""


class StoredOutcomes:
    """The outcomes in the store, by time step. Not thread-safe."""

    def __init__(self, connection: Connection) -> None:
        """Read from this store."""
        self._connection = connection

    def panes(self, series: Series, steps: Sequence[Window], width: Callable[[str, str], int]) -> list[Pane]:
        """Return the performance parts of consecutive time steps.

        They include the predictions per decision and, for a ranking, its ``rows``, because a list without outcomes may
        be one that was not clicked.
        """
        counted = _counted_beside(series)
        counted_steps = self._steps(series, steps, lambda fold, part: bool(fold) or part in counted, width)
        return _by_step(counted_steps, len(steps))

    def calls(self, series: Series, steps: Sequence[Window]) -> list[Pane]:
        """Return the calls of consecutive time steps."""

        def wanted(fold: str, part: str) -> bool:
            return not fold and (part in CALL_WIDTHS or part.startswith(FAILED))

        return _by_step(self._steps(series, steps, wanted, lambda _, part: CALL_WIDTHS.get(part, 1)), len(steps))

    def hours(self, series: Series, steps: Sequence[Window], parts: Sequence[str]) -> dict[str, F64]:
        """Return the given performance parts of consecutive time steps: float64 (len(steps), width)."""
        sums_by_part = self._steps(
            series,
            steps,
            lambda fold, part: bool(fold) and part in parts,
            lambda _, part: part_width(part, None, series.task),
        )
        return {name: sums for name, (sums, _) in sums_by_part.items()}

    def _steps(
        self, series: Series, steps: Sequence[Window], is_needed: _Wanted, width: Callable[[str, str], int]
    ) -> dict[str, tuple[F64, I64]]:
        """Return the sums per step by part, and the steps with sums."""
        if not steps:
            return {}
        step_sql = step_query(steps)
        folds = Condition("(fold = '' OR fold = ?)", (performance_fold(series.task),))
        stretch = (series.number, steps[0].start, steps[-1].end)
        within = folds.also(Condition("series = ? AND pane >= ? AND pane < ?", stretch))
        rows = read(
            self._connection,
            f"SELECT {step_sql.step} AS step, part, idx, fsum(value) AS value FROM sums {step_sql.join} GROUP BY ALL",
            *step_sql.parameters,
            sums=read_sums(self._connection, within, wanted=is_needed),
            **step_sql.tables,
        )
        step, index, value = (rows.column(name).to_numpy() for name in ("step", "idx", "value"))
        part = rows.column("part").combine_chunks().dictionary_encode()
        names = part.dictionary.to_pylist()
        order, ends = order_by_code(part.indices.to_numpy(), len(names))
        fold, sums_by_part = performance_fold(series.task), {}
        for name, first, last in zip(names, ends, ends[1:], strict=False):
            step_rows = order[first:last]
            sums = np.zeros((len(steps), max(width(fold, name), int(index[step_rows].max()) + 1)))
            sums[step[step_rows], index[step_rows]] = value[step_rows]
            sums_by_part[name] = sums, np.unique(step[step_rows])
        return sums_by_part


def outcomes_by_step(memory: PaneMemory, series: Series, steps: Sequence[Window]) -> list[Pane]:
    """Return the result of :meth:`StoredOutcomes.panes`, cached for repeated steps."""
    outcome_fold, counted, panes = performance_fold(series.task), _counted_beside(series), []
    for step in memory.steps(series, steps, lambda fold: fold in ("", outcome_fold)):
        plain_parts = step.get("", Pane()).parts
        parts = {part: plain_parts[part] for part in counted if part in plain_parts}
        panes.append(Pane(parts | step.get(outcome_fold, Pane()).parts))
    return panes


def _counted_beside(series: Series) -> list[str]:
    """Return the parts with the number of rows that wait for an outcome."""
    if series.task.ranks_items:
        return ["rows", DISTRIBUTED, ERASED]
    return [f"{prefix}{name}" for prefix in (DECIDED, ERASED_AS) for name in series.task.classes] or [""]


def _by_step(sums_by_part: Mapping[str, tuple[F64, I64]], steps: int) -> list[Pane]:
    panes = [Pane() for _ in range(steps)]
    for name, (sums, having) in sums_by_part.items():
        for step in having:
            panes[step].parts[name] = sums[step]
    return panes


class StoreReaders:
    """Readers of the store for all windows, with shared caches. Not thread-safe."""

    def __init__(self, connection: Connection, baselines: Baselines, share: float = 1.0) -> None:
        """Create empty readers. ``share``: fraction of the memory for the caches."""
        self.connection, self.baselines = connection, baselines
        of_outcomes = int(share * MOST_OUTCOME_BYTES)
        of_rows = int(share * MOST_BYTES) - of_outcomes
        self.panes = PaneMemory(connection, baselines.by_fold, max_bytes=of_rows, folds=WITHOUT_OUTCOMES)
        self.outcome_panes = PaneMemory(connection, baselines.by_fold, max_bytes=of_outcomes, folds=OUTCOMES_AND_COUNTS)
        self.sliced = PaneMemory(connection, baselines.by_fold, ALL_SLICED, int(share * MOST_SLICED_BYTES))
        self.steps, self.past = StoredSteps(connection), RollingReferences(connection, self.panes, share)
        self.rows, self.losses = RowSamples(connection), StoredLosses(connection)
        self.slices, self.outcomes = SlicePanes(connection, self.sliced), StoredOutcomes(connection)

    def forget_rows(self, series: int, panes: set[int]) -> None:
        """Drop cached panes, by start, with new rows or outcomes."""
        self.outcome_panes.forget(series, panes)
        self.sliced.forget(series, panes, HOUR)
        self.steps.forget(series, panes)
        self.slices.forget(series, panes)
        self.losses.forget(series, panes)

    def forget_counted(self, series: int, panes: Collection[int]) -> None:
        """Drop the cached rows and references of panes, by start, with new rows."""
        self.panes.forget(series, panes)
        self.rows.forget(series, panes)
        self.past.forget(series, panes)

    def forget_all(self) -> None:
        """Drop all caches, after rows were deleted or moved to another slice."""
        for part in (
            self.panes,
            self.outcome_panes,
            self.sliced,
            self.rows,
            self.steps,
            self.past,
            self.slices,
            self.losses,
        ):
            part.clear()

    def forget_old(self, series: int, watermark: int) -> None:
        """Drop caches that a roll-up or the retention may have made invalid."""
        self.panes.forget_before(series, watermark - KEEP_PANES)
        self.outcome_panes.forget_before(series, watermark - KEEP_PANES)
        self.sliced.forget_before(series, watermark - KEEP_PANES)
        self.rows.clear()


class StoreSource(Struct, eq=False, dict=True):
    """One window in the store.

    Attributes:
        series: The model, version and environment.
        window: The window.
        settings: Settings of the model's windows.
        watermark: The model's event time, in unix nanoseconds.
        delay: The outcome delay.
        readers: Readers of the store.
        earlier: Its evaluation, if no rows arrived in or before the window since; else None.
        past: The periods of its rolling reference; None if it has none.
        keep: The rows of each day whose features are stored.
    """

    series: Series
    window: Window
    settings: ModelSettings
    watermark: int
    delay: OutcomeDelay
    readers: StoreReaders
    earlier: Evaluation | None = None
    past: ReferencePeriods | None = None
    keep: Keep = Keep()

    @property
    def key(self) -> ModelKey:
        """The model, version and environment."""
        return self.series.key

    @property
    def task(self) -> Task:
        """Current task of the model."""
        return self.series.task

    @property
    def closed(self) -> bool:
        """True if the watermark has passed the window."""
        return is_closed(self.window, self.watermark)

    @property
    def evaluated(self) -> Evaluation | None:
        """The earlier evaluation, if only outcomes arrived since and the reference is the same; else None."""
        earlier = self.earlier
        is_same = earlier is not None and (earlier.closed, earlier.rows) == (self.closed, self.pane.rows)
        return earlier if is_same else None

    @property
    def empty(self) -> bool:
        """True if the window has no counts."""
        return not any(sums.any() for pane in self._folds.values() for sums in pane.parts.values())

    @cached_property
    def baseline(self) -> Baseline | None:
        """The active baseline if the window was counted in its bins, else the one with most rows."""
        in_force = self.readers.baselines.in_force(self.series.key)
        if in_force is not None and in_force.baseline.fold in self._folds:
            return in_force.baseline
        by_fold = self.readers.baselines.by_fold
        fold_totals = [(sum(part.sum() for part in pane.parts.values()), fold) for fold, pane in self._folds.items()]
        counted = [(rows, fold) for rows, fold in fold_totals if by_fold(fold) is not None]
        return by_fold(max(counted)[1]) if counted else None

    @cached_property
    def pane(self) -> Pane:
        """The sums of the window's rows and of their outcomes."""
        pane, baseline = Pane(), self.baseline
        own_folds = (performance_fold(self.series.task), "", score_fold(self.series.task))
        for fold in (*own_folds, *(() if baseline is None else (baseline.fold, learned_fold(baseline)))):
            pane.parts.update(self._folds.get(fold, Pane()).parts)
        return pane

    def reference(self, baseline: Baseline) -> Reference:
        """Return the rolling reference, or the current state of a learned baseline; else the baseline."""
        settings, past = self.settings, self.readers.past
        if settings.rolling is not None and self.past is not None:
            return past.compared(self.series, baseline, settings.rolling, self.past, settings.seasons)
        if not baseline.provisional:
            return Reference(baseline)
        return past.cold(self.series, baseline, self.window, settings.seasons)

    def season_mix(self, seasons: Seasons) -> F64:
        """Return the weight of the window's rows in each season: float64 (seasons,)."""
        return season_mix(self.readers.panes, self.series, self.window, seasons)

    def time_before(self) -> TimeBefore:
        """Return the time steps up to the end of the window."""
        assert self.baseline is not None
        series, zone = self.series.number, self.settings.timezone
        return partial(self.readers.steps.until, series, self.baseline, self.window, zone)

    def slices(self) -> Mapping[str, SliceContext]:
        """Return the rows of each slice."""
        assert self.baseline is not None
        keys, zone = self.settings.slices, self.settings.timezone
        return self.readers.slices.of(self.series, self.window, self.baseline, keys, zone)

    def repeats(self) -> Repeats | None:
        """Return how often whole rows repeat."""
        return self.readers.rows.of(self.series.number, self.window).repeats

    def unique(self) -> Mapping[str, Repeats]:
        """Return {}: the store counts duplicates of whole rows only."""
        return {}

    def recurrences(self) -> Sequence[Recurrence | None]:
        """Return how often rows repeat those of the window before, and how often those repeat the previous ones."""
        window, zone = self.window, self.settings.timezone
        before = window_of(window.name, window.start - PANE, zone)
        first = window_of(window.name, before.start - PANE, zone)
        own_sample, earlier_sample, older = (
            self.readers.rows.of(self.series.number, interval) for interval in (window, before, first)
        )
        recurrence = own_sample.recurrence(earlier_sample)
        return [] if recurrence is None else [recurrence, earlier_sample.recurrence(older)]

    def newest(self) -> int | None:
        """Return when the newest row was predicted, unix nanoseconds."""
        return self.readers.rows.of(self.series.number, self.window).newest

    @property
    def until(self) -> None:
        """None: the age of the newest row is measured at the end of the window."""
        return None

    @property
    def progress(self) -> Progress:
        """The progress of the watermark; late rows may arrive until a window closes."""
        return Progress(self.watermark, closed_until(self.watermark), self.watermark - KEEP_PANES)

    @cached_property
    def blocks(self) -> Sequence[Pane]:
        """The outcomes by block of time, read once."""
        steps = window_blocks(self.window, self.settings.timezone)
        return outcomes_by_step(self.readers.outcome_panes, self.series, steps)

    def outcome_panes(self, steps: Sequence[Window]) -> Sequence[Pane]:
        """Return the outcomes in each time step; those of a few hours are in memory for the window itself."""
        if len(steps) <= MOST_STEPS:
            return outcomes_by_step(self.readers.outcome_panes, self.series, steps)
        return self.readers.outcomes.panes(self.series, steps, self._width)

    def call_panes(self, steps: Sequence[Window]) -> Sequence[Pane]:
        """Return the calls in each time step."""
        return self.readers.outcomes.calls(self.series, steps)

    def outcome_slices(self, blocks: Sequence[Window]) -> Mapping[str, BlockSums]:
        """Return outcomes and predictions by slice; {} for windows of minutes, because slices are stored per hour."""
        if parse(self.window.name).unit == "m":
            return {}
        keys = {*self.settings.slices, *self.settings.performance.keys}
        return slices_of(self.readers.sliced, self.series, blocks, keys)

    def row_losses(self) -> RowLosses | None:
        """Return the stored rows with outcomes and features."""
        assert self.baseline is not None
        window, keep = self.window, self.keep.per_day
        days = max(1, (window.end - window.start) // DAY)
        per_day = MOST_ROWS // days if keep is None else min(keep, MOST_ROWS // days)
        return read_row_losses(
            self.readers.connection, self.series, self.baseline, window.start, window.end, Keep(per_day)
        )

    def weak(self) -> None:
        """Return None: weak slices are searched on demand."""
        return

    def loss_tiles(self) -> LossTiles | None:
        """Return the losses of the stored rows of the window, and of the days before it."""
        if self.baseline is None:
            return None
        windows = period_windows(self.window, self.settings.timezone)
        return self.readers.losses.tiles(self.series, self.baseline, windows, self.keep)

    def realized(self) -> dict[str, MetricValue] | None:
        """Return None: performance is computed from sums."""
        return None

    def absent_features(self) -> Collection[str]:
        """Return nothing: any row may have a new feature."""
        return ()

    @cached_property
    def _folds(self) -> dict[str, Pane]:
        own_fold, window = performance_fold(self.series.task), self.window
        of_rows = self.readers.panes.window(self.series, window.start, window.end, lambda _: True)
        return of_rows | self.readers.outcome_panes.window(
            self.series, window.start, window.end, lambda fold: fold == own_fold
        )

    @property
    def _width(self) -> Callable[[str, str], int]:
        """Function from a fold and a part to the length of its vector."""
        task, by_fold = self.series.task, self.readers.baselines.by_fold
        return lambda fold, part: part_width(part, by_fold(fold), task)
