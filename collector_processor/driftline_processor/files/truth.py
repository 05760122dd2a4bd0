"""What happened, window by window: the rows whose outcome is known, from which performance is exact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from driftline.classes import class_codes, class_column
from driftline.decided import decide
from driftline.fold import fold_outcomes
from driftline.frames import concatenate, taken
from driftline.pane import Pane
from driftline.relevance import Relevance
from driftline.relevance import joined as joined_relevance
from driftline.relevance import taken as taken_relevance
from driftline.tables import F64, I64, Column, Task, length
from numpy.typing import NDArray

from driftline_processor.core.evaluation import Metric
from driftline_processor.core.labels.delay import PART as DELAY
from driftline_processor.core.labels.delay import fold_delays
from driftline_processor.core.performance import from_rows
from driftline_processor.core.performance.asked import STANDARD, Asked
from driftline_processor.core.sent import DECIDED

from .errors import Say, rows
from .rows import Rows

Numbers = TypeVar("Numbers", F64, I64)
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Truth:
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

    def taken(self, which: I64) -> Truth:
        """Return some of the rows, in this order."""
        return Truth(
            None if self.scores is None else self.scores[which],
            None if self.predicted is None else taken(self.predicted, which),
            taken(self.actual, which),
            None if self.weight is None else self.weight[which],
            None if self.time is None else self.time[which],
            None if self.outcome_time is None else self.outcome_time[which],
            None if self.value is None else self.value[which],
            {key: taken(column, which) for key, column in self.slices.items()},
            None if self.relevance is None else taken_relevance(self.relevance, which),
            self.told,
        )

    def performance(self, task: Task, asked: Asked = STANDARD) -> dict[str, Metric]:
        """Return every metric, from the rows."""
        return from_rows(task, self.scores, self.predicted, self.actual, self.weight, self.relevance, self.value, asked)


def truths(
    reads: Sequence[Rows], weights: Sequence[F64 | None], groups: Sequence[I64], windows: int, *, anyway: bool = False
) -> Iterator[Truth | None]:
    """Yield the truth of each window; None everywhere when no file has any, and it is not wanted ``anyway``."""
    known = all_rows(reads, weights, anyway=anyway)
    if known is None:
        yield from [None] * windows
        return
    group = np.concatenate(groups)
    order = np.argsort(group, kind="stable")
    ends = np.searchsorted(group[order], np.arange(windows + 1))
    for start, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        yield known.taken(order[start:end])


def all_rows(reads: Sequence[Rows], weights: Sequence[F64 | None], *, anyway: bool = False) -> Truth | None:
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
    relevance = joined_relevance(ranked) if ranked else None
    return Truth(scores, predicted, actual, weight, time, outcome_time, value, _slices(reads), relevance, told)


def _slices(reads: Sequence[Rows]) -> dict[str, Column]:
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
    """What one file has every file has: a part is known by a column that all share."""
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if there else None


def _joined(parts: Sequence[Column | None]) -> Column | None:
    there = [part for part in parts if part is not None]
    return concatenate(there) if there else None


def name_strangers(reads: Sequence[Rows], task: Task, say: Say) -> None:
    """Name the actual values that are nothing the model could have predicted; they count as not known."""
    for read in reads:
        strange = np.zeros(0, np.bool_) if read.actual is None else strangers(read.actual, task)
        if strange.any():
            count = rows(int(strange.sum()))
            say(f"{read.source.path}: {count} with an actual that is {strange_to(task)}, taken as not known")


def strangers(actual: Column, task: Task) -> Mask:
    """Tell which values are nothing that the model could have predicted: bool (n,), or of no rows where none can be."""
    if task.kind == "ranking":
        return np.zeros(0, np.bool_)
    if task.kind == "regression":
        return np.zeros(0, np.bool_) if actual.codes is None else actual.codes >= 0
    codes = class_codes(actual, task.classes)
    return np.zeros(0, np.bool_) if codes is None else codes == len(task.classes)


def strange_to(task: Task) -> str:
    """Say what such a value is not."""
    return "no number" if task.kind == "regression" else f"none of the classes {', '.join(task.classes)}"
