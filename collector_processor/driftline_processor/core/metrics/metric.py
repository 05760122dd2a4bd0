"""A metric as an object: what it is called, which tasks have it, its value, its interval and its estimate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from math import inf
from typing import Literal, NamedTuple

from driftline.tables.table import F64
from driftline.tables.task import Task
from msgspec import Struct

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.confidence import Interval

from .names import Name
from .performance_sums import PerformanceSums

Unit = Literal["fraction", "score", "nats", "target", "squared probability", "ratio", "cost", "value"]

Value = Callable[[PerformanceSums, Name], MetricValue | None]
"""The value from the sums of a pane; None = the pane says nothing of the metric, which is then left out."""

IntervalOfValue = Callable[[PerformanceSums, Name, float], tuple[Interval, float] | None]
"""The interval of a value, and the effective rows behind it; None = the metric has no interval."""


class Argument(NamedTuple):
    """The number behind ``@`` in a name: what it is, in words, an example, and which numbers there are."""

    words: str
    example: float
    valid: Callable[[float], bool]


class Slopes(NamedTuple):
    """A value, and by how much a positive or a negative more of each bin of the score raises it: float64 (bins,)."""

    value: float
    of_positive: F64
    of_negative: F64


FEWEST = (30.0, 50.0)
"""Effective rows of the rarer class, of the window and of the reference, that an estimate's interval needs: with fewer
it held less than 93 % (docs/data/estimates.md)."""


class Estimation(Struct, frozen=True):
    """The estimation of a metric without outcomes; without functions, the estimator of the task computes it.

    Attributes:
        of_decisions: Cells of a binary confusion, float64 (2, 2), negative first, actual by predicted → the value, None
            where it is not defined, and its gradient, float64 (2, 2).
        of_scores: Weight of positives, weight of negatives and score of each bin of the score, float64 (bins,) each →
            the value with its slopes; None where it is not defined.
        decisions: The decisions that the metric is of, 0 negative, 1 positive: each needs rows of its own.
        fewest: Effective rows of the rarer class, of the window and of the reference, that an interval needs. With
            fewer it held less than 93 % in simulations.
    """

    of_decisions: Callable[[F64], tuple[float | None, F64]] | None = None
    of_scores: Callable[[F64, F64, F64], Slopes | None] | None = None
    decisions: tuple[int, ...] = ()
    fewest: tuple[float, float] = FEWEST


def nothing_usual(_task: Task) -> Iterable[str]:
    """Return no names: the metric is computed where somebody asks for it."""
    return ()


class Metric(Struct, frozen=True, kw_only=True):
    """One metric. A module of this package with a constant ``METRIC`` defines one, and is found by that alone.

    Attributes:
        name: The key in YAML, in JSON and in telemetry.
        title: The name on pages and in sentences.
        tasks: The kinds of task that have the metric.
        direction: 1 = higher is better, -1 = lower is better, 0 = neither.
        unit: What the value is measured in; ``target`` and ``value`` are units of the user.
        source: Where the definition is from.
        value: The value from the sums of a pane.
        interval: The interval of a value; None = there is none.
        gradient: The derivative of a metric of the confusion matrix by each cell, for the interval and the estimate:
            weights, float64 (k, k), actual by predicted → float64 (k, k).
        estimate: How the metric is estimated without outcomes; None = it is not.
        least: The least value there can be.
        greatest: The greatest value there can be.
        usual: The names that a task has without being asked, such as ``("lift@0.1",)``.
        argument: The number behind ``@``, where the name needs one.
        of_class: Whether there is a value of each class of many: ``recall[cat]``.
        averages: Other means over classes than the plain one, each a name of its own: ``f1_weighted``.
        own_decision: Whether the metric needs outcomes of its own decision alone.
        share_of_rows: Whether a row counts for the value or against it, and all rows alike.
        of_all_rows: Whether the value is a sum over rows, which says nothing beside that of other rows.
        of_pane: Whether the value needs every sum of a window, so that rows with their outcomes do not tell it.
        rank: The place among the metrics of a task, smallest first.
    """

    name: str
    title: str
    tasks: frozenset[str]
    direction: Literal[-1, 0, 1]
    unit: Unit
    source: str
    value: Value
    interval: IntervalOfValue | None = None
    gradient: Callable[[F64], F64] | None = None
    estimate: Estimation | None = None
    least: float = 0.0
    greatest: float = inf
    usual: Callable[[Task], Iterable[str]] = nothing_usual
    argument: Argument | None = None
    of_class: bool = False
    averages: tuple[str, ...] = ()
    own_decision: bool = False
    share_of_rows: bool = False
    of_all_rows: bool = False
    of_pane: bool = False
    # 1_000: the rank of a metric that names none: after all of ours
    rank: int = 1_000

    @property
    def bases(self) -> tuple[str, ...]:
        """Beginnings of the metric's names: its own name, and one per average."""
        return (self.name, *(f"{self.name}_{average}" for average in self.averages))

    def bases_for(self, kind: str) -> tuple[str, ...]:
        """Return what names begin with for a kind of task: averages over classes are of many classes alone."""
        if kind not in self.tasks:
            return ()
        return self.bases if _has_class_scores(kind) else (self.name,)


@lru_cache(maxsize=64)
def _has_class_scores(kind: str) -> bool:
    """Return True where tasks of a kind have a score of each class."""
    return Task(kind).has_class_scores


def usual_for(*kinds: str, names: tuple[str, ...]) -> Callable[[Task], Iterable[str]]:
    """Return a function for :attr:`Metric.usual`: these names for tasks of these kinds.

    >>> usual_for("binary", names=("lift@0.1",))(Task("binary"))
    ('lift@0.1',)
    """
    return lambda task: names if task.kind in kinds else ()
