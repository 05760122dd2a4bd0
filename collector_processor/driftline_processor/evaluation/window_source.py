"""The interface between the evaluation and a window, whose rows are in the store or in files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.duplicate_rows import Recurrence, Repeats
from driftline.baseline.sections.seasons import Seasons
from driftline.panes.pane import Pane
from driftline.tables.table import F64, ModelKey
from driftline.tables.task import Task

from driftline_processor.core.evaluation import Evaluation, MetricValue, WeakSearch
from driftline_processor.core.explain.loss_evidence import RowLosses
from driftline_processor.core.intervals.time_blocks import blocks_of_window
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.performance.window_outcomes import BlockSums
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.weak_slices.slice_change import LossTiles
from driftline_processor.core.window_context import SliceContext
from driftline_processor.core.windows.time_before import TimeBefore
from driftline_processor.core.windows.window import Window


class Progress(NamedTuple):
    """The event time of a model, in unix nanoseconds.

    Attributes:
        reached: The newest known moment; None = no more rows will arrive.
        complete: The moment up to which all rows have arrived; None = all have.
        panes_from: The moment from which panes of five minutes are available.
    """

    reached: int | None
    complete: int | None
    panes_from: int = 0


def window_blocks(window: Window, timezone: str) -> Sequence[Window]:
    """Return the blocks of time of a window's outcomes; the window itself if it has none."""
    return blocks_of_window(window, timezone) or (window,)


class WindowSource(Protocol):
    """One window of one model, as input of :func:`.judge.judge`.

    :class:`.store_source.StoreSource` reads the store of a running processor, and
    :class:`.files.rows_source.RowsSource` the rows of files. Slices, repeated rows and the newest row are read for
    closed windows only, because open windows are evaluated often.
    """

    @property
    def key(self) -> ModelKey:
        """The model, version and environment."""

    @property
    def task(self) -> Task:
        """Current task of the model."""

    @property
    def window(self) -> Window:
        """The window."""

    @property
    def closed(self) -> bool:
        """True if no more rows are expected."""

    @property
    def evaluated(self) -> Evaluation | None:
        """The earlier evaluation, if only outcomes arrived since and the reference is the same; else None."""

    @property
    def pane(self) -> Pane:
        """The sums of the window's rows over the bins of :attr:`baseline`, and of their outcomes."""

    @property
    def baseline(self) -> Baseline | None:
        """The baseline whose bins were used; None without one."""

    def reference(self, baseline: Baseline) -> Reference:
        """Return the reference: the model's own past if configured or learned, else ``baseline`` itself."""

    def season_mix(self, seasons: Seasons) -> F64 | None:
        """Return the weight of the window's rows in each season: float64 (seasons,); None if rows have no times."""

    def time_before(self) -> TimeBefore:
        """Return the time steps up to the end of the window."""

    def slices(self) -> Mapping[str, SliceContext]:
        """Return the rows of each slice by ``key=value``, over the same bins."""

    def repeats(self) -> Repeats | None:
        """Return how often whole rows repeat; None if they were not counted."""

    def unique(self) -> Mapping[str, Repeats]:
        """Return how often the values of single features repeat, for counted features."""

    def recurrences(self) -> Sequence[Recurrence | None]:
        """Return how often rows repeat those of the window before, and how often those repeat the previous ones."""

    def newest(self) -> int | None:
        """Return when the newest row was predicted, unix nanoseconds; None if rows have no times."""

    @property
    def until(self) -> int | None:
        """The moment at which the age of the newest row is measured, unix nanoseconds; None = the end of the window."""

    @property
    def progress(self) -> Progress:
        """The event time of the model."""

    @property
    def delay(self) -> OutcomeDelay:
        """The outcome delay."""

    @property
    def blocks(self) -> Sequence[Pane]:
        """The outcomes by block of time (:func:`window_blocks`), which add up to those of :attr:`pane`."""

    def outcome_panes(self, steps: Sequence[Window]) -> Sequence[Pane] | None:
        """Return the outcomes in each time step, also before the window; None if unknown."""

    def call_panes(self, steps: Sequence[Window]) -> Sequence[Pane] | None:
        """Return the calls in each time step, also before the window; None if unknown."""

    def outcome_slices(self, blocks: Sequence[Window]) -> Mapping[str, BlockSums]:
        """Return outcomes and predictions of each slice, and of each cohort of label age, by block of time."""

    def weak(self) -> WeakSearch | None:
        """Return the weak slices; None if they are not searched during an evaluation."""

    def loss_tiles(self) -> LossTiles | None:
        """Return the losses of the labelled rows per bin; None without rows or a baseline with losses."""

    def row_losses(self) -> RowLosses | None:
        """Return the rows with outcomes and features; None if they are not available."""

    def realized(self) -> dict[str, MetricValue] | None:
        """Return the performance from single rows; None if it is computed from the sums of :attr:`pane`."""

    def absent_features(self) -> Collection[str]:
        """Return the features of the baseline without a column in the source."""
