"""A metric as an object: its name, tasks, value, interval and estimate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from math import inf
from typing import Literal, NamedTuple

from driftline.tables.table import F64
from driftline.tables.task import KINDS, Task
from msgspec import Struct

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.confidence import Interval

from .name_grammar import Name
from .performance_sums import PerformanceSums

BINARY = frozenset({"binary"})
CLASSES = frozenset({"binary", "multiclass"})
REGRESSION = frozenset({"regression"})
RANKING = frozenset({"ranking"})
EVERY_TASK = frozenset(KINDS)

Unit = Literal["fraction", "score", "nats", "target", "squared probability", "ratio", "cost", "value"]

Value = Callable[[PerformanceSums, Name], MetricValue | None]
"""The value from the sums of a pane; None = the pane lacks the sums, and the metric is left out."""

IntervalOfValue = Callable[[PerformanceSums, Name, float], tuple[Interval, float] | None]
"""The interval of a value, and its effective rows; None = the metric has no interval."""


class Argument(NamedTuple):
    """The number after ``@`` in a name: its description, an example, and its validation."""

    words: str
    example: float
    valid: Callable[[float], bool]


class Slopes(NamedTuple):
    """A value and its derivatives by the weight of positives and negatives per score bin: float64 (bins,)."""

    value: float
    of_positive: F64
    of_negative: F64


FEWEST = (30.0, 50.0)
"""Effective rows of the rarer class, in the window and in the reference, that an estimate's interval needs: with fewer
rows its coverage was below 93 % (evidence/estimates.json).
"""

NOT_RARE = (0.0, 50.0)
"""Value of :attr:`Estimation.min_rows` for a mean over all rows, which does not need rows of a rare class."""


class Estimation(Struct, frozen=True):
    """The estimation of a metric without outcomes; without functions, the estimator of the task computes it.

    Attributes:
        of_decisions: Cells of a binary confusion matrix, float64 (2, 2), negative first, actual by predicted → the
            value, None if it is not defined, and its gradient, float64 (2, 2).
        of_scores: Weight of positives, weight of negatives and score per score bin, float64 (bins,) each → the value
            with its slopes; None if it is not defined.
        decisions: The decisions that the metric uses, 0 negative, 1 positive: each needs rows.
        min_rows: Effective rows of the rarer class, in the window and in the reference, that an interval needs
            (:data:`FEWEST`).
    """

    of_decisions: Callable[[F64], tuple[float | None, F64]] | None = None
    of_scores: Callable[[F64, F64, F64], Slopes | None] | None = None
    decisions: tuple[int, ...] = ()
    min_rows: tuple[float, float] = FEWEST


def nothing_usual(_task: Task) -> Iterable[str]:
    """Return no names: the metric is computed on request only."""
    return ()


class Metric(Struct, frozen=True, kw_only=True):
    """One metric. Those in a constant ``METRICS`` of a module of this package are found automatically.

    Attributes:
        name: The key in YAML, in JSON and in telemetry.
        title: The name on pages and in sentences.
        tasks: The kinds of task that have the metric.
        direction: 1 = higher is better, -1 = lower is better, 0 = neither.
        unit: The unit of the value; ``target`` and ``value`` are units of the user.
        source: The source of the definition.
        value: The value from the sums of a pane.
        interval: The interval of a value; None = no interval.
        gradient: The derivative of a confusion-matrix metric by each cell, for the interval: weights, float64 (k, k),
            actual by predicted → float64 (k, k).
        estimate: The estimation without outcomes; None = not estimated.
        minimum: The lower bound of the value.
        maximum: The upper bound of the value.
        usual: The names that a task has by default, such as ``("lift@0.1",)``.
        argument: The number after ``@``, if the name needs one.
        of_class: Whether there is a value per class: ``recall[cat]``.
        averages: Further means over classes, each with a name: ``f1_weighted``.
        own_decision: Whether the metric only needs outcomes of rows with its own decision.
        share_of_rows: Whether the value is a fraction of rows with equal weight.
        of_all_rows: Whether the value is a total over rows, which is not comparable between sets of rows.
        of_pane: Whether the value needs every sum of a window, so that it cannot be computed from labelled rows.
        constant: The value for a constant prediction, if it is the same for all outcomes: 0.5 of ``roc_auc``. Of what
            the baseline has above it, a healthy model may lose a quarter (:mod:`..performance.margin`).
        depends_on_rate: Whether the value depends on a threshold or on the rate of positives, which may change without
            harm. It is reported only if no other metric is worse, and an estimate of it never makes a risk.
        outstanding: How an outcome that has not arrived yet can change a value between 0 and 1. ``row``: the value is
            a mean over rows, to which the row adds 0 to 1. ``decision``: the value is higher if the decision is right.
            None = unknown, so that only all outcomes make an answer final (:mod:`..performance.outstanding`).
        rank: The position among the metrics of a task, lowest first.
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
    minimum: float = 0.0
    maximum: float = inf
    usual: Callable[[Task], Iterable[str]] = nothing_usual
    argument: Argument | None = None
    of_class: bool = False
    averages: tuple[str, ...] = ()
    own_decision: bool = False
    share_of_rows: bool = False
    of_all_rows: bool = False
    of_pane: bool = False
    constant: float | None = None
    depends_on_rate: bool = False
    outstanding: Literal["row", "decision"] | None = None
    # 1_000: the default rank, after all that a task has by default
    rank: int = 1_000

    @property
    def bases(self) -> tuple[str, ...]:
        """Beginnings of the metric's names: its own name, and one per average."""
        return (self.name, *(f"{self.name}_{average}" for average in self.averages))

    def bases_for(self, kind: str) -> tuple[str, ...]:
        """Return the bases of the metric's names for a kind of task; averages are for multiclass only."""
        if kind not in self.tasks:
            return ()
        return self.bases if _has_class_scores(kind) else (self.name,)


@lru_cache(maxsize=64)
def _has_class_scores(kind: str) -> bool:
    """Return True if tasks of a kind have one score per class."""
    return Task(kind).has_class_scores


def usual_for(*kinds: str, names: tuple[str, ...]) -> Callable[[Task], Iterable[str]]:
    """Return a function for :attr:`Metric.usual` that returns the names for the given kinds of task.

    >>> usual_for("binary", names=("lift@0.1",))(Task("binary"))
    ('lift@0.1',)
    """
    return lambda task: names if task.kind in kinds else ()
