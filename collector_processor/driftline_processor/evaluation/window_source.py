"""The port of the judge: the questions that a window answers, whether its rows are in the store or in files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.duplicate_rows import Recurrence, Repeats
from driftline.baseline.sections.seasons import Seasons
from driftline.panes.pane import Pane
from driftline.tables.table import F64, ModelKey
from driftline.tables.task import Task

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.performance.window_outcomes import WindowOutcomes
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.window_context import SliceContext
from driftline_processor.core.windows.time_before import TimeBefore
from driftline_processor.core.windows.window import Window


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
        """What the model predicts now."""

    @property
    def window(self) -> Window:
        """The window."""

    @property
    def closed(self) -> bool:
        """Whether no more rows are expected."""

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

    def outcomes(self) -> WindowOutcomes:
        """Return the outcomes by block of time and by slice, and how long outcomes may take."""

    def realized(self) -> dict[str, MetricValue] | None:
        """Return the performance from single rows; None where it is computed from the sums of :attr:`pane`."""

    def absent_features(self) -> Collection[str]:
        """Return the features of the baseline for which the source has no column at all."""
