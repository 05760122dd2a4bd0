"""The predictions of each window with their outcomes, from which performance is exact, and their sums over steps of
time.

What happened, window by window: the rows whose outcome is known, from which performance is exact.

What files know of the outcomes of a window, and what is asked of a model's performance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

import numpy as np
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane
from driftline.panes.relevance import Relevance, join_rankings, take_rankings
from driftline.tables.classes import class_column
from driftline.tables.performance_columns import decide
from driftline.tables.table import F64, I64, Column, concatenate, length, take_rows
from driftline.tables.task import Task
from numpy.typing import NDArray

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.time_blocks import blocks_of_window
from driftline_processor.core.labels.delay import PART as DELAY
from driftline_processor.core.labels.delay import fold_delays
from driftline_processor.core.outcomes.coverage import DECIDED
from driftline_processor.core.outcomes.resolution import impossible_actuals, possible_actuals_text
from driftline_processor.core.performance import from_rows
from driftline_processor.core.performance.objective_states import rolling_steps
from driftline_processor.core.performance.settings import STANDARD, PerformanceSettings
from driftline_processor.core.performance.window_outcomes import WindowOutcomes
from driftline_processor.core.windows.window import PANE, Window
from driftline_processor.present.numbers import many
from driftline_processor.readers.errors import Say
from driftline_processor.readers.prediction_rows import FileRows

Numbers = TypeVar("Numbers", F64, I64)
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LabelledPredictions:
    """Rows with what was predicted and what happened, as :func:`from_rows` takes them.

    ``time``: int64 (n,), unix nanoseconds, None where no file has any. ``outcome_time``: when the actual was known, 0 =
    nobody said. ``value``: what the prediction was worth. ``slices``: of prediction and outcome. ``relevance``: of
    rankings. ``told``: whether any file says what happened.
    """

    scores: F64 | None
    predicted: Column | None
    actual: Column
    weight: F64 | None
    time: I64 | None = None
    outcome_time: I64 | None = None
    value: F64 | None = None
    slices: Mapping[str, Column] = field(default_factory=dict)
    relevance: Relevance | None = None
    told: bool = True

    def __len__(self) -> int:
        return length(self.actual)

    def sums(self, task: Task) -> Pane:
        """Return the outcomes as a pane has them, and the predictions of each decision, known or not."""
        pane = fold_outcomes(task, self.scores, self.predicted, self.actual, self.weight, self.relevance, self.value)
        if self.time is not None and self.outcome_time is not None:
            together = np.zeros(len(self.time), np.int64)
            pane.parts[DELAY] = fold_delays(self.time, self.outcome_time, together, 1).dense(1)[0]
        decided = decide(task, self.scores, self.predicted)
        for code, name in enumerate(task.classes if len(decided) else ()):
            pane.parts[f"{DECIDED}{name}"] = np.array([float(np.count_nonzero(decided == code))])
        return pane

    def taken(self, which: I64) -> LabelledPredictions:
        """Return some of the rows, in this order."""
        return LabelledPredictions(
            None if self.scores is None else self.scores[which],
            None if self.predicted is None else take_rows(self.predicted, which),
            take_rows(self.actual, which),
            None if self.weight is None else self.weight[which],
            None if self.time is None else self.time[which],
            None if self.outcome_time is None else self.outcome_time[which],
            None if self.value is None else self.value[which],
            {key: take_rows(column, which) for key, column in self.slices.items()},
            None if self.relevance is None else take_rankings(self.relevance, which),
            self.told,
        )

    def performance(self, task: Task, asked: PerformanceSettings = STANDARD) -> dict[str, MetricValue]:
        """Return every metric, from the rows."""
        return from_rows(task, self.scores, self.predicted, self.actual, self.weight, self.relevance, self.value, asked)


def outcomes_of_windows(
    reads: Sequence[FileRows],
    weights: Sequence[F64 | None],
    groups: Sequence[I64],
    windows: int,
    *,
    anyway: bool = False,
) -> Iterator[LabelledPredictions | None]:
    """Yield the truth of each window; None everywhere when no file has any, and it is not wanted ``anyway``."""
    known = outcomes_of_all_rows(reads, weights, anyway=anyway)
    if known is None:
        yield from [None] * windows
        return
    group = np.concatenate(groups)
    order = np.argsort(group, kind="stable")
    ends = np.searchsorted(group[order], np.arange(windows + 1))
    for start, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        yield known.taken(order[start:end])


def outcomes_of_all_rows(
    reads: Sequence[FileRows], weights: Sequence[F64 | None], *, anyway: bool = False
) -> LabelledPredictions | None:
    """Return what was predicted and what happened in all rows; None when no file has any outcome.

    ``anyway``: what was predicted also where nobody says what happened.
    """
    told = any(read.actual is not None for read in reads)
    if not told and not anyway:
        return None
    scores = _stacked([read.scores for read in reads])
    weight = _stacked(weights)
    actual = _joined([read.actual for read in reads])
    predicted = _joined([read.predicted for read in reads])
    time = _stacked([read.time for read in reads]) if all(read.time is not None for read in reads) else None
    outcome_time, value = _stacked([read.outcome_time for read in reads]), _stacked([read.value for read in reads])
    unknown = Column() if told else Column(codes=np.full(sum(map(len, reads)), -1, np.int32))
    actual = unknown if actual is None else actual
    ranked = [read.relevance for read in reads if read.relevance is not None]
    relevance = join_rankings(ranked) if ranked else None
    return LabelledPredictions(
        scores, predicted, actual, weight, time, outcome_time, value, _slices(reads), relevance, told
    )


def _slices(reads: Sequence[FileRows]) -> dict[str, Column]:
    """The slices of all rows: what came with an outcome stands before what came with the prediction."""
    found: dict[str, Column] = {}
    for key in dict.fromkeys(key for read in reads for key in (*read.slices, *read.told)):
        parts = []
        for read in reads:
            nothing = Column(codes=np.full(len(read), -1, np.int32))
            own, later = read.slices.get(key, nothing), read.told.get(key)
            parts.append(own if later is None else _over(class_column(own), class_column(later)))
        found[key] = concatenate([class_column(part) for part in parts])
    return found


def _over(own: Column, later: Column) -> Column:
    """The texts of one column, and of another one where it has none."""
    if later.codes is None:
        return own
    if own.codes is None:
        return later
    shifted = np.where(own.codes >= 0, own.codes + len(later.labels), -1)
    return Column(
        codes=np.where(later.codes >= 0, later.codes, shifted).astype(np.int32), labels=(*later.labels, *own.labels)
    )


def _stacked(parts: Sequence[Numbers | None]) -> Numbers | None:
    """Return what one file has every file has: a part is known by a column that all share."""
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if there else None


def _joined(parts: Sequence[Column | None]) -> Column | None:
    there = [part for part in parts if part is not None]
    return concatenate(there) if there else None


def report_impossible_actuals(reads: Sequence[FileRows], task: Task, say: Say) -> None:
    """Name the actual values that are nothing the model could have predicted; they count as not known."""
    for read in reads:
        asked = read.actual if not task.ranks_items else None  # of a ranking it is what was clicked
        strange = np.zeros(0, np.bool_) if asked is None else impossible_actuals(asked, task)
        if strange.any():
            count = many(int(strange.sum()))
            say(f"{read.source.path}: {count} with an actual that is {possible_actuals_text(task)}, taken as not known")


@dataclass(frozen=True, slots=True)
class OutcomeHistory:
    """What happened in all rows, beside those of a window. ``whole``: None where no file has outcomes."""

    whole: LabelledPredictions | None
    task: Task
    asked: PerformanceSettings

    @classmethod
    def of(
        cls, rows: Callable[[], LabelledPredictions | None], task: Task, asked: PerformanceSettings
    ) -> OutcomeHistory:
        """Keep the rows in the order of time, where objectives roll over them; else none of them."""
        whole = rows() if any(one.rolling for one in asked.objectives) else None
        if whole is None or whole.time is None:
            return cls(None, task, asked)
        return cls(whole.taken(np.argsort(whole.time, kind="stable")), task, asked)

    def known(
        self, truth: LabelledPredictions | None, window: Window, timezone: str, ripe: int | None
    ) -> WindowOutcomes:
        """Return the outcomes of a window.

        Args:
            truth: Its rows; None where no file has outcomes.
            window: The window.
            timezone: The clock by which days begin.
            ripe: The moment up to which outcomes had their time, unix nanoseconds; None = all had.
        """
        if truth is None:
            return WindowOutcomes(timezone=timezone)
        steps, minutes = None, None
        if self.whole is not None:
            ripe = window.end + PANE if ripe is None else ripe
            minutes = rolling_steps(window, self.asked.objectives, timezone, ripe, 0)
        if minutes is not None and self.whole is not None:
            steps = (minutes, outcome_panes(self.whole, minutes, self.task))
        blocks = outcome_panes(truth, blocks_of_window(window, timezone), self.task)
        return WindowOutcomes(blocks, steps=steps, timezone=timezone)


def outcome_panes(truth: LabelledPredictions, steps: Sequence[Window], task: Task) -> list[Pane]:
    """Return the performance parts of each of some steps of time; none where rows have no time."""
    time = truth.time
    if time is None or not steps:
        return []
    if (time[1:] < time[:-1]).any():
        order = np.argsort(time, kind="stable")
        truth, time = truth.taken(order), time[order]
    ends = np.searchsorted(time, [steps[0].start, *(step.end for step in steps)])
    return [truth.taken(np.arange(first, last)).sums(task) for first, last in pairwise(ends)]
