"""The port of the judge: the questions that a window answers, whether its rows are in the store or in files."""

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
from driftline_processor.core.intervals.time_blocks import blocks_of_window
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.performance.window_outcomes import BlockSums
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.window_context import SliceContext
from driftline_processor.core.windows.time_before import TimeBefore
from driftline_processor.core.windows.window import Window


class Progress(NamedTuple):
    """How far the time of a model has come, unix nanoseconds.

    Attributes:
        reached: The newest moment that is known; None = nothing more will come.
        complete: The moment up to which all rows have come; None = all have.
        kept: The moment from which on steps of five minutes are told apart.
    """

    reached: int | None
    complete: int | None
    kept: int = 0


def window_blocks(window: Window, timezone: str) -> Sequence[Window]:
    """Return the blocks of time by which the outcomes of a window are judged; the window where it has none."""
    return blocks_of_window(window, timezone) or (window,)


class WindowSource(Protocol):
    """One window of one model, as :func:`.judge.judge` asks about it.

    There are two: :class:`.store_source.StoreSource` reads the store of a running processor, and
    :class:`.files.rows_source.RowsSource` holds the rows of files. A source only answers; the judge decides.
    The judge asks for slices, repeated rows and the newest row of closed windows only: an open window is judged often.
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
        """True where no more rows are expected."""

    @property
    def evaluated(self) -> Evaluation | None:
        """Its evaluation from the same rows and the same reference, if only outcomes came since; else None."""

    @property
    def pane(self) -> Pane:
        """The sums of the window's rows over the bins of :attr:`baseline`, and those of their outcomes."""

    @property
    def baseline(self) -> Baseline | None:
        """The baseline over whose bins the rows were counted; None where there is none."""

    def reference(self, baseline: Baseline) -> Reference:
        """Return the reference: the model's own past where that is asked for or learned, else ``baseline`` itself."""

    def season_mix(self, seasons: Seasons) -> F64 | None:
        """Return the weight of the window's rows in each season: float64 (seasons,); None where rows have no times."""

    def time_before(self) -> TimeBefore:
        """Return what answers how the time up to the end of the window looked."""

    def slices(self) -> Mapping[str, SliceContext]:
        """Return the rows of each slice by ``key=value``, over the same bins."""

    def repeats(self) -> Repeats | None:
        """Return how often whole rows repeat; None where that was not counted."""

    def unique(self) -> Mapping[str, Repeats]:
        """Return how often the values of single features repeat, where that was counted."""

    def recurrences(self) -> Sequence[Recurrence | None]:
        """Return how often rows repeat those of the window before, and how often those repeat the ones before."""

    def newest(self) -> int | None:
        """Return when the newest row was predicted, unix nanoseconds; None where rows have no times."""

    @property
    def until(self) -> int | None:
        """The moment up to which the newest row may age, unix nanoseconds; None = the end of the window."""

    @property
    def progress(self) -> Progress:
        """How far the time of the model has come."""

    @property
    def delay(self) -> OutcomeDelay:
        """How long outcomes may take."""

    @property
    def blocks(self) -> Sequence[Pane]:
        """The outcomes by block of time (:func:`window_blocks`), which add up to those of :attr:`pane`."""

    def outcome_panes(self, steps: Sequence[Window]) -> Sequence[Pane] | None:
        """Return the outcomes in each of some steps of time, also before the window; None where nobody knows."""

    def call_panes(self, steps: Sequence[Window]) -> Sequence[Pane] | None:
        """Return the calls in each of some steps of time, also before the window; None where nobody knows."""

    def outcome_slices(self, blocks: Sequence[Window]) -> Mapping[str, BlockSums]:
        """Return outcomes and predictions of each slice, and of each cohort of label age, by block of time."""

    def weak(self) -> WeakSearch | None:
        """Return what a search for weak slices finds; None where nobody searches while windows are judged."""

    def realized(self) -> dict[str, MetricValue] | None:
        """Return the performance from single rows; None where it is computed from the sums of :attr:`pane`."""

    def absent_features(self) -> Collection[str]:
        """Return the features of the baseline for which the source has no column at all."""
