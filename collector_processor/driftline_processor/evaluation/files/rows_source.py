"""The windows of files, from folded batches of rows and from scores and outcomes in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import pairwise

from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.duplicate_rows import Recurrence, Repeats
from driftline.baseline.sections.seasons import Seasons
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64, ModelKey
from driftline.tables.task import Task
from msgspec import Struct

from driftline_processor.core.evaluation import MetricValue, WeakSearch
from driftline_processor.core.explain.loss_evidence import RowLosses
from driftline_processor.core.labels.delay import UNKNOWN_DELAY, OutcomeDelay
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.performance.labelled_predictions import (
    Values,
    slices_in_time,
    sums_by_step,
    sums_in_order,
)
from driftline_processor.core.performance.realized import from_rows
from driftline_processor.core.performance.window_outcomes import BlockSums
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.reference.season import PART as SEASONS
from driftline_processor.core.reference.season import mix_of_kind
from driftline_processor.core.weak_slices.slice_change import LossTiles
from driftline_processor.core.window_context import SliceContext
from driftline_processor.core.windows.time_before import TimeBefore
from driftline_processor.core.windows.window import Window
from driftline_processor.evaluation.window_source import Progress, window_blocks
from driftline_processor.readers.row_store import is_many

from .fold import WindowFold
from .outcomes import LabelledWindows
from .rolling_reference import RollingReference
from .slices import WindowSlices
from .weak_slices import WeakSliceRows
from .windows import StepCounts


class FileWindows(Struct, frozen=True):
    """All windows of the files of one model.

    Attributes:
        key: The model and version.
        task: Task of the model, at the requested threshold.
        baseline: The baseline whose bins were used.
        settings: Settings of the model's windows.
        windows: The windows, oldest first.
        folds: The rows of each window.
        newest: Newest prediction time per window, in unix nanoseconds; None without times.
        until: The moment at which the age of rows is measured, unix nanoseconds; None = the end of their window.
        steps: The counts of each time step.
        slices: The rows of each slice.
        values: Slice key → the separate values for performance.
        outcomes: The predictions with their outcomes; None if no file has outcomes and none are required.
        past: The rows before each window, for windows with a rolling reference.
        labelled: The rows that are searched for weak slices.
        columns: The columns of all files.
        delay: The outcome delay.
        reached: The newest event time of the files, unix nanoseconds; None = all windows are mature.
        drawn: Whether the windows are shown. Others have only what the record needs, and so no weak slices.
    """

    key: ModelKey
    task: Task
    baseline: Baseline
    settings: ModelSettings
    windows: Sequence[Window]
    folds: Sequence[WindowFold]
    newest: Sequence[int | None]
    until: int | None
    steps: StepCounts
    slices: WindowSlices
    values: Values
    outcomes: LabelledWindows | None
    past: RollingReference | None
    labelled: WeakSliceRows | None
    columns: Collection[str]
    delay: OutcomeDelay = UNKNOWN_DELAY
    reached: int | None = None
    drawn: bool = True

    def sources(self) -> Iterator[RowsSource]:
        """Yield each window as a source for the evaluation."""
        whole_counts = [fold.counting[""] for fold in self.folds]
        follows = [False, *(is_next(*neighbours) for neighbours in pairwise(self.windows))]
        recurrences = [
            whole_counts[index].recurrence(whole_counts[index - 1]) if follows[index] else None
            for index in range(len(whole_counts))
        ]
        for index in range(len(self.windows)):
            yield RowsSource(self, index, recurrences[max(0, index - 1) : index + 1][::-1])


class RowsSource(Struct, eq=False, dict=True):
    """One window of files.

    Attributes:
        files: All windows.
        at: The position of this window.
        again: How often its rows repeat those of the window before, and how often those repeat the previous ones.
    """

    files: FileWindows
    at: int
    again: Sequence[Recurrence | None]

    @property
    def key(self) -> ModelKey:
        """The model and version."""
        return self.files.key

    @property
    def task(self) -> Task:
        """Task of the model."""
        return self.files.task

    @property
    def window(self) -> Window:
        """The window."""
        return self.files.windows[self.at]

    @property
    def evaluated(self) -> None:
        """None: windows of files are evaluated once."""
        return

    @property
    def closed(self) -> bool:
        """Always True."""
        return True

    @property
    def baseline(self) -> Baseline:
        """The baseline whose bins were used."""
        return self.files.baseline

    @cached_property
    def pane(self) -> Pane:
        """The sums of the window's rows and of their outcomes."""
        return merge([self.files.folds[self.at].pane, *self.blocks])

    def reference(self, baseline: Baseline) -> Reference:
        """Return the rows before the window for a rolling reference, else the baseline."""
        return Reference(baseline) if self.files.past is None else self.files.past.compared(self.at, baseline)

    def season_mix(self, seasons: Seasons) -> F64 | None:
        """Return the weight of the rows in each season of the baseline: float64 (seasons,)."""
        mix = self.files.folds[self.at].pane.parts.get(SEASONS)
        return None if mix is None else mix_of_kind(mix, seasons.seasonality.kind)

    def time_before(self) -> TimeBefore:
        """Return the time steps up to the end of the window."""
        return partial(self.files.steps.until, self.window, self.files.settings.timezone)

    def slices(self) -> Mapping[str, SliceContext]:
        """Return the rows of each slice."""
        return self.files.slices.of(self.at, self.window, self.files.settings.timezone)

    def repeats(self) -> Repeats | None:
        """Return how often whole rows repeat."""
        return self.files.folds[self.at].repeats

    def unique(self) -> Mapping[str, Repeats]:
        """Return how often the values of unique features repeat."""
        return self.files.folds[self.at].unique

    def recurrences(self) -> Sequence[Recurrence | None]:
        """Return how often rows repeat those of the window before, and how often those repeat the previous ones."""
        return self.again

    def newest(self) -> int | None:
        """Return when the newest row was predicted, unix nanoseconds."""
        return self.files.newest[self.at]

    @property
    def until(self) -> int | None:
        """The moment at which the age of the newest row is measured."""
        return self.files.until

    @property
    def progress(self) -> Progress:
        """The newest event time of the files, at least the end of the window."""
        reached = self.files.reached
        return Progress(None if reached is None else max(reached, self.window.end), reached)

    @property
    def delay(self) -> OutcomeDelay:
        """The outcome delay."""
        return self.files.delay

    @property
    def _labelled(self) -> LabelledWindows | None:
        """The predictions with their outcomes; None if no file has outcomes."""
        labelled_outcomes = self.files.outcomes
        return labelled_outcomes if labelled_outcomes is not None and labelled_outcomes.rows.labelled else None

    @cached_property
    def _sums(self) -> Sequence[BlockSums]:
        """The outcomes by block of time, or of consecutive rows, per chunk of rows."""
        if self._labelled is None:
            return ()
        chunks = self._labelled.chunks(self.at)
        if self._labelled.rows.time is None:
            ordered = self.baseline.extras.row_blocks is not None
            return sums_in_order((rows for _, rows in chunks), self._labelled.size(self.at), self.task, ordered=ordered)
        blocks = window_blocks(self.window, self.files.settings.timezone)
        return [sums_by_step(rows, self.task, blocks) for _, rows in chunks]

    @cached_property
    def blocks(self) -> Sequence[Pane]:
        """The outcomes by block of time, or of consecutive rows."""
        return BlockSums.merge(self._sums).blocks() if self._sums else ()

    def outcome_panes(self, steps: Sequence[Window]) -> Sequence[Pane] | None:
        """Return the outcomes in each time step; None without times or outcomes."""
        return None if self._labelled is None else self._labelled.panes(steps, self.task)

    def call_panes(self, steps: Sequence[Window]) -> Sequence[Pane] | None:
        """Return the calls in each time step; None if rows have no times, or neither durations nor errors."""
        return None if self.files.outcomes is None else self.files.outcomes.calls(steps)

    def outcome_slices(self, blocks: Sequence[Window]) -> Mapping[str, BlockSums]:
        """Return outcomes and predictions of each slice, and of each cohort of label age, by block of time."""
        if self.files.outcomes is None:
            return {}
        sums_by_slice: dict[str, list[BlockSums]] = {}
        for _, rows in self.files.outcomes.chunks(self.at):
            for name, sums in slices_in_time(rows, self.task, self.files.values, blocks).items():
                sums_by_slice.setdefault(name, []).append(sums)
        return {name: BlockSums.merge(several) for name, several in sorted(sums_by_slice.items())}

    def weak(self) -> WeakSearch | None:
        """Return the weak slices of the window."""
        return self.files.labelled.weak(self.at) if self.files.labelled is not None and self.files.drawn else None

    def loss_tiles(self) -> LossTiles | None:
        """Return the losses of the labelled rows per bin."""
        if self.files.labelled is None:
            return None
        return self.files.labelled.loss_tiles(self.files.windows, self.at, self.files.settings.timezone)

    def row_losses(self) -> RowLosses | None:
        """Return the rows that are searched for weak slices."""
        return None if self.files.labelled is None else self.files.labelled.rows(self.at)

    def realized(self) -> dict[str, MetricValue] | None:
        """Return the exact performance from rows, including metrics that depend on the order of scores.

        None if there are too many rows to sort; then it is computed from sums, as in the service.
        """
        if self._labelled is None or is_many(self._labelled.size(self.at)):
            return None
        rowss = [rows for _, rows in self._labelled.chunks(self.at)]
        rows = rowss[0] if rowss else self._labelled.rows.take(slice(0))
        columns = rows.scores, rows.predicted, rows.actual, rows.weight, rows.relevance, rows.value
        folded = self._sums[0] if len(self._sums) == 1 and self._sums[0].count == 1 else None
        pane = None if folded is None else Pane({name: part.dense(1)[0] for name, part in folded.parts.items()})
        return from_rows(self.task, *columns, self.files.settings.performance, pane)

    def absent_features(self) -> Collection[str]:
        """Return the features of the baseline without a column in any file."""
        names = self.baseline.bins.features
        return [name for name in names if self.baseline.raw_name(name) not in self.files.columns]


def is_next(earlier: Window, window: Window) -> bool:
    """Return True if a window begins at the end of an earlier one, or neither has times."""
    return not window.name or earlier.end == window.start
