"""The sums of a window for all metrics, and the intervals that can be computed from sums."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from math import inf
from typing import Any, TypeVar

import numpy as np
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from driftline.tables.task import Task
from msgspec import Struct, field

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals import confidence as limits_of
from driftline_processor.core.intervals import gradients
from driftline_processor.core.intervals.confidence import CONFIDENCE, Form, Interval, WeightSums
from driftline_processor.core.intervals.day_spread import FEWEST_LENDING, DaySpread, day_spread, lent_rows_as_one
from driftline_processor.core.intervals.gradients import ConfusionTable, Influence, LossMean, Ratio
from driftline_processor.core.intervals.score_curves import ScoreCurve, score_curve
from driftline_processor.core.intervals.time_blocks import FEWEST, RowsAsOne, rows_as_one
from driftline_processor.core.outcomes import sums as pane_sums
from driftline_processor.core.outcomes.review import UnseenDecisions
from driftline_processor.core.outcomes.sums import ListMean, effective_rows, list_means, rows_of

from .score_order import BoundedValue, ClassOrder, ScoreOrder, class_order_of_pane

Made = TypeVar("Made")

IntervalAndRows = tuple[Interval, float]
"""An interval and its effective rows."""

SHOWN_LONGER = 1.2
"""Design effect, from days of the baseline, above which an interval is labelled as "from blocks"; below it the interval
is less than 10 % longer than that of independent rows.
"""


class PerformanceSums(Struct, eq=False, dict=True):
    """The performance parts of a pane, the settings of intervals, and cached intermediate results.

    Attributes:
        pane: The sums of all rows with an outcome.
        task: The task of the model.
        costs: Actual class → predicted class → the cost of a row.
        score_order: The scores of the rows of a binary task, if rows are available; else the score bins are used.
        class_order: The same per class of a multiclass task.
        blocks: The sums by block of time, in order; without blocks, rows count as independent.
        unseen: The decisions without outcomes; None = every decision may have outcomes.
        min_blocks: Effective blocks from which on blocks are used to estimate autocorrelation.
        confidence: The confidence of the intervals.
        shares: The method for intervals of fractions, ``clopper_pearson`` or ``wilson``.
        days: Whether the blocks are days; else they are parts of a day, or consecutive rows.
        of_rows: Whether the blocks are consecutive rows without times.
        tested: Whether the variance between seven or more days must be significant to be used.
        lent: The variance between days of the baseline, in the order in which the interval of the current metric needs
            it.
        requested: The influence and effective rows that the current metric has requested so far.
        cache: Cache of results that do not depend on the confidence.
    """

    pane: Pane
    task: Task
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    score_order: ScoreOrder | None = None
    class_order: ClassOrder | None = None
    blocks: Sequence[Pane] = ()
    unseen: UnseenDecisions | None = None
    min_blocks: float = FEWEST
    confidence: float = CONFIDENCE
    shares: str = "clopper_pearson"
    days: bool = False
    of_rows: bool = False
    tested: bool = True
    lent: Sequence[DaySpread | None] = ()
    requested: list[tuple[Influence, float]] = field(default_factory=list)
    cache: dict[Hashable, Any] = field(default_factory=dict)

    def cached(self, what: Hashable, make: Callable[[], Made]) -> Made:
        """Return the cached result of ``make``, shared by all metrics and confidences.

        Args:
            what: The cache key.
            make: Computes the result from the sums alone.
        """
        if what not in self.cache:
            self.cache[what] = make()
        found: Made = self.cache[what]
        return found

    @cached_property
    def confusion(self) -> F64 | None:
        """The weight by actual and predicted class: float64 (k, k); None if no decision is known."""
        return pane_sums.confusion(self.pane, len(self.task.classes)) if self.task.classes else None

    @cached_property
    def positive(self) -> int | None:
        """The code of the positive class; None if the task has none, or if it is unknown."""
        return self.task.positive

    @cached_property
    def losses(self) -> dict[str, float] | None:
        """The summed losses of the task by name, and ``weight``; None if there are none."""
        return pane_sums.losses(self.pane, self.task)

    @cached_property
    def means(self) -> dict[str, pane_sums.Mean]:
        """The sums of means, by the name of their loss."""
        return pane_sums.means(self.pane, self.task)

    @cached_property
    def order(self) -> ScoreOrder | None:
        """The scores of positives and negatives in order; None if there are none."""
        return ScoreOrder.of_pane(self.pane) if self.score_order is None else self.score_order

    @cached_property
    def area_of_classes(self) -> list[BoundedValue | None]:
        """The area under the ROC curve of each class against all others; None if unknown."""
        order = self.class_order or class_order_of_pane(self.pane, self.task)
        orders = (order(code) for code in range(len(self.task.classes)))
        return [None if order_of_class is None else order_of_class.area() for order_of_class in orders]

    @cached_property
    def lists(self) -> dict[str, ListMean]:
        """The means over ranked lists by metric name; {} for other tasks."""
        return list_means(self.pane) if self.task.ranks_items else {}

    @cached_property
    def lists_of_blocks(self) -> list[dict[str, ListMean]]:
        """The means over ranked lists per block of time."""
        return [list_means(block) for block in self.blocks]

    @cached_property
    def table(self) -> ConfusionTable | None:
        """The confusion table with its blocks; None if no decision is known."""
        return gradients.confusion_table(self.pane, self.blocks, len(self.task.classes), self.unseen)

    @cached_property
    def rows(self) -> float:
        """Kish's effective rows of the window."""
        return effective_rows(self.pane)

    @cached_property
    def one_more(self) -> float:
        """The maximum weight of one additional row of any decision."""
        _, total, squared = self.pane.parts["outcomes"][:3].tolist()
        return float(self.table.unit.max()) if self.table is not None else squared / total

    def value_of(
        self, value: float | None, weight: float, part: str, bound: float = 0.0, cells: F64 | None = None
    ) -> MetricValue:
        """Return a metric value with its number of rows.

        Args:
            value: The value, None if it is not defined.
            weight: Σw of the rows.
            part: The part of the pane that the weight comes from.
            bound: The maximum difference from the value computed from rows.
            cells: float64 (k, k), nonzero for the cells of the confusion matrix that count; None = all of the part.
        """
        counted = None if cells is None else cells != 0
        key = "rows", weight, part, None if counted is None else counted.tobytes()
        rows = self.cached(key, lambda: rows_of(self.pane, weight, part, counted))
        return MetricValue(value, rows, "panes", bound)

    def share_interval(self, ratio: Ratio) -> IntervalAndRows | None:
        """Return the exact interval of a fraction of rows, or Wilson's; None if the denominator is 0."""
        if ratio.value is None:
            return None
        design, from_blocks = self.rows_as_one(ratio.influence, ratio.effective)
        limits = self.exact_limits(ratio.hits, ratio.misses, design)
        return named_after_blocks(limits, blocks=from_blocks), ratio.effective

    def exact_limits(self, hits: WeightSums, misses: WeightSums, design: float) -> Interval:
        """Return the limits of a fraction by the configured method; ``design``: the design effect."""
        exact = limits_of.wilson if self.shares == "wilson" else limits_of.clopper_pearson
        return exact(hits, misses, self.confidence, design)

    def rows_as_one(self, moved: Influence, rows: float) -> tuple[float, bool]:
        """Return the design effect, and whether it comes from blocks of time.

        If the baseline provides its variance between days, it is pooled with that of the window's days. A significant
        variance between the window's own days is used alone.
        """
        place = len(self.requested)
        self.requested.append((moved, rows))
        lent = self.lent[place] if place < len(self.lent) else None
        # by identity: the objects are cached with the result, so that their ids are not reused
        key = "rows_as_one", id(moved), id(lent), rows, self.tested
        _, _, rows_per_one, shown_longer = self.cached(
            key, lambda: (moved, lent, *self._rows_as_one(moved, rows, lent))
        )
        effect = rows_per_one.at(self.confidence)
        return effect, effect > shown_longer

    def _rows_as_one(self, moved: Influence, rows: float, lent: DaySpread | None) -> tuple[RowsAsOne, float]:
        """Return the design effect per confidence, and the threshold above which it is labelled as "from blocks"."""
        spread_of_days = day_spread(moved.influence, moved.expected, rows) if self.days and moved.variance > 0 else None
        if not self.tested and spread_of_days is not None and spread_of_days.freedom >= FEWEST_LENDING - 1:
            return lent_rows_as_one(spread_of_days, moved.expected, rows), SHOWN_LONGER
        if lent is not None and moved.variance > 0:
            shares = moved.expected if self.days else moved.expected[:0]
            return lent_rows_as_one(
                lent if spread_of_days is None else lent.pooled(spread_of_days), shares, rows
            ), SHOWN_LONGER
        by_blocks = rows_as_one(moved.influence, moved.expected, self.min_blocks, autocorrelated=not self.of_rows)
        return by_blocks, 1.0

    def interval_by_gradient(self, value: float, moved: Influence, form: Form, rows: float) -> IntervalAndRows:
        """Return the interval of a value by the delta method; too few below 20 effective rows."""
        if rows < limits_of.FEWEST_ROWS:
            return limits_of.TOO_FEW, rows
        effect, from_blocks = self.rows_as_one(moved, rows)
        freedom = inf if from_blocks else rows - 1
        limits = form(value, moved.variance * effect, self.confidence, freedom)
        return named_after_blocks(limits, blocks=from_blocks), rows

    def mean_interval(self, mean: LossMean | None, form: Form = limits_of.student) -> IntervalAndRows | None:
        """Return the interval of a mean over rows, transformed by ``form``."""
        if mean is None:
            return None
        if mean.telling < limits_of.FEWEST_TELLING:
            return limits_of.TOO_FEW, mean.rows
        return self.interval_by_gradient(mean.value, mean.influence, form, mean.rows)

    def curve(self, of_negative: str = "score_negative", of_positive: str = "score_positive") -> ScoreCurve | None:
        """Return the scores of two classes with their blocks; None if there are none."""
        key = "curve", of_negative, of_positive
        return self.cached(key, lambda: score_curve(self.pane, self.blocks, of_negative, of_positive))

    def ratio(self, hits: F64, misses: F64) -> Ratio | None:
        """Return a fraction over cells of the confusion table; None if no decision is known."""
        table = self.table
        if table is None:
            return None
        return self.cached(("ratio", hits.tobytes(), misses.tobytes()), lambda: table.ratio(hits, misses))

    def loss_mean(self, name: str) -> LossMean | None:
        """Return the mean of a loss of the task; None if its squares are not stored."""
        return self.cached(("loss", name), lambda: gradients.mean_of_loss(self.pane, self.blocks, self.task, name))

    def part_mean(self, part: str, place: int, head: int = 0, negative: float = 0.0) -> LossMean | None:
        """Return the mean from a part with Σw, Σw², then Σwl, Σw²l and Σw²l² per loss l.

        Args:
            part: The name of the part.
            place: The index of the loss.
            head: Entries before Σw.
            negative: Σw|l| of the rows whose loss is below 0.
        """
        return self.cached(("part", part, place, head, negative), lambda: self._part_mean(part, place, head, negative))

    def _part_mean(self, part: str, place: int, head: int, negative: float) -> LossMean | None:
        sums = self.pane.parts.get(part)
        position = head + 2 + 3 * place
        if sums is None or len(sums) < position + 3:
            return None
        block_sums = np.array([block.parts[part] for block in self.blocks if part in block.parts]).reshape(
            -1, len(sums)
        )
        squares = (sums[head + 1], sums[position + 1], sums[position + 2])
        size = sums[position] + 2 * negative
        return gradients.loss_mean(
            sums[head], sums[position], squares, block_sums[:, [head, position]], block_sums[:, head + 1], size
        )


def named_after_blocks(limits: Interval, *, blocks: bool) -> Interval:
    """Return the interval, with method "blocks" if it comes from the variance between blocks of time."""
    return limits._replace(method="blocks") if blocks and limits.method else limits
