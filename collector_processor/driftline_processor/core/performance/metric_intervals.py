"""The interval of every metric of a window.

Each metric is one of a few kinds: a share of rows, a mean over rows, an area under a curve, a mean of shares. What has
no interval has none (docs/explanation/intervals.md says which); ``Metric.interval`` is "" then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from math import inf, sqrt

import numpy as np
from driftline.panes.outcome_sums import class_scores
from driftline.panes.outcome_sums import intervals as declared
from driftline.panes.pane import LOSSES, Pane
from driftline.tables.classes import number_text
from driftline.tables.table import Task

from driftline_processor.core.evaluation import Metric
from driftline_processor.core.intervals import confidence as of
from driftline_processor.core.intervals import gradients
from driftline_processor.core.intervals import score_curves as areas
from driftline_processor.core.intervals import score_curves as highest
from driftline_processor.core.intervals.confidence import Interval, WeightSums
from driftline_processor.core.intervals.gradients import Influence, Ratio
from driftline_processor.core.intervals.time_blocks import FEWEST, FEWEST_DAYS, counting_as_one, variance_from_blocks
from driftline_processor.core.metrics.cost_and_value import cost_matrix, mean_cost
from driftline_processor.core.metrics.names import KNOWN
from driftline_processor.core.metrics.ranking import Mean, means
from driftline_processor.core.outcomes.review import UnseenDecisions, needed_cells
from driftline_processor.core.outcomes.sums import effective, effective_rows

from .settings import PerformanceSettings

_NAMED = re.compile(r"(?P<name>[a-z0-9_]+?)(?:@(?P<at>[^\[\]]+))?(?:\[(?P<cls>.*)\])?", re.DOTALL)
_LOSSES = {"mae": "absolute_error", "bias": "error", "rmse": "squared_error", "mean_score": "score"}

UNSTEADY = 1.0
"""The standard error of a logit above which its interval is nearly all there can be: an area of 0.99999 of 50 rows."""

_SHARES = ("precision", "recall", "f1", "fbeta", "specificity")


def with_intervals(
    found: Mapping[str, Metric],
    pane: Pane,
    blocks: Sequence[Pane],
    task: Task,
    asked: PerformanceSettings,
    unseen: UnseenDecisions | None = None,
    *,
    days: bool = False,
) -> dict[str, Metric]:
    """Return the metrics of a pane with their intervals.

    ``blocks``: the pane's performance parts by block of time, in order; without any, rows are taken as independent.
    ``unseen``: what its outcomes say nothing of; without, each decision is taken to be among them.
    ``days``: blocks are days, not pieces of one, so few of them tell, too.

    >>> from driftline.panes.fold import fold_outcomes
    >>> from driftline.tables.table import Column
    >>> task = Task("binary", ("0", "1"), "1")
    >>> pane = fold_outcomes(task, np.full((20, 1), 0.8), None, Column(numbers=np.repeat([1.0, 0.0], [19, 1])))
    >>> metrics = {"precision": Metric(0.95, 20, "panes")}
    >>> found = with_intervals(metrics, pane, (), task, PerformanceSettings())["precision"]
    >>> round(found.low, 3), round(found.high, 3), found.interval, found.effective_rows
    (0.751, 0.999, 'clopper_pearson', 20.0)
    """
    known = _Sums(pane, blocks, task, asked, unseen, FEWEST_DAYS if days else FEWEST)
    return {name: known.bounded(name, metric) for name, metric in found.items()}


class _Sums:
    """The sums of a window and of its blocks, read once for all metrics."""

    def __init__(
        self,
        pane: Pane,
        blocks: Sequence[Pane],
        task: Task,
        asked: PerformanceSettings,
        unseen: UnseenDecisions | None,
        fewest: float,
    ) -> None:
        self._pane, self._blocks, self._task, self._asked, self._fewest = pane, blocks, task, asked, fewest
        self._table = gradients.confusion_table(pane, blocks, len(task.classes), unseen)

    def bounded(self, name: str, metric: Metric) -> Metric:
        """Return a metric with its interval; as it is where it has none."""
        match = _NAMED.fullmatch(name)
        if metric.value is None or match is None or match["name"] not in KNOWN.get(self._task.kind, ()):
            return metric  # a custom metric may be called as a loss is
        found = self._interval(match["name"], match["at"] or "", match["cls"], metric.value)
        if found is None:
            return metric
        if self._table is not None and not self._table.knows(needed_cells(match["name"], match["cls"], self._task)):
            found = of.UNREVIEWED, self._rows
        (low, high, method), rows = found
        low, high = (None if end is None else float(end) for end in (low, high))  # numpy's are none of JSON's
        return replace(metric, low=low, high=high, interval=method, effective_rows=rows)

    def _interval(self, name: str, at: str, cls: str | None, value: float) -> tuple[Interval, float] | None:
        if name in ("value", "value_per_prediction"):
            return self._value(total=name == "value")
        if name in ("cost", "cost_per_prediction"):
            return self._cost(total=name == "cost")
        if self._task.kind == "regression":
            return self._regression(name, at, value)
        if self._task.kind == "ranking":
            return self._ranking(f"{name}@{at}" if at else name)
        if name in ("roc_auc", "average_precision", "roc_auc_ovr"):
            return self._curve(name, value)
        if name in ("gain", "lift"):
            return self._gain(at, times=name == "lift")
        if name == "actual_rate":
            return self._rate()
        if name == "top_k_accuracy":
            return self._top(at)
        if _LOSSES.get(name, name) in LOSSES[self._task.kind]:
            return self._mean(self._loss(_LOSSES.get(name, name)))
        if self._table is None:
            return None
        if name in ("accuracy", "recall_weighted") or name.endswith("_micro"):
            eye = np.eye(len(self._task.classes))
            return self._share(self._table.ratio(eye, 1 - eye))
        if self._task.kind == "binary" or cls is not None:
            return self._of_class(name, at, self._task.positive_class if cls is None else cls)
        return self._of_classes(name, value)

    def _share(self, ratio: Ratio) -> tuple[Interval, float] | None:
        if ratio.value is None:
            return None
        design, from_blocks = self._counting_as_one(ratio.moved)
        limits = self._exact(ratio.hits, ratio.misses, design)
        return self._named(limits, blocks=from_blocks), ratio.effective

    def _exact(self, hits: WeightSums, misses: WeightSums, design: float) -> Interval:
        exact = of.wilson if self._asked.shares == "wilson" else of.clopper_pearson
        return exact(hits, misses, self._asked.confidence, design)

    def _counting_as_one(self, moved: Influence) -> tuple[float, bool]:
        """Return how many rows of a share count as one; and whether blocks of time say so."""
        effect = counting_as_one(moved.influence, moved.expected, self._fewest, self._asked.confidence)
        return effect, effect > 1

    def _named(self, limits: Interval, *, blocks: bool) -> Interval:
        return limits._replace(method="blocks") if blocks and limits.method else limits

    def _of_class(self, name: str, at: str, cls: str) -> tuple[Interval, float] | None:
        if cls not in self._task.classes or self._table is None:
            return None
        ratios = {one: self._ratio(one, cls, at) for one in ("recall", "specificity")}
        if name == "balanced_accuracy":
            values = [ratio.value for ratio in ratios.values() if ratio.value is not None]
            limits = [one[0] for ratio in ratios.values() if (one := self._share(ratio)) is not None]
            return (
                (of.interval_of_mean(values, limits), self._rows) if len(values) == len(limits) == len(ratios) else None
            )
        return self._share(self._ratio(name, cls, at)) if name in _SHARES else None

    def _ratio(self, name: str, cls: str, at: str = "") -> Ratio:
        """A share of rows of one class: what counts for it, and against it."""
        assert self._table is not None
        k, i = len(self._task.classes), self._task.classes.index(cls)
        hits, misses = np.zeros((k, k)), np.zeros((k, k))
        if name == "specificity":
            misses[:, i] = 1.0
            hits[np.arange(k) != i] = 1.0
            hits[:, i] = 0.0
            misses[i] = 0.0
            return self._table.ratio(hits, misses)
        beta = float(at) ** 2 if name == "fbeta" else 1.0
        hits[i, i] = 1.0 + beta if name in ("f1", "fbeta") else 1.0
        if name != "recall":
            misses[:, i] = 1.0
        if name != "precision":
            misses[i] = beta
        misses[i, i] = 0.0
        return self._table.ratio(hits, misses)

    def _of_classes(self, name: str, value: float) -> tuple[Interval, float] | None:
        """The mean over classes, plain or by how many rows each has."""
        assert self._table is not None
        base, _, kind = ("recall_macro" if name == "balanced_accuracy" else name).partition("_")
        if base not in ("precision", "recall", "f1") or kind not in ("", "macro", "weighted"):
            return None
        ratios = [self._ratio(base, cls) for cls in self._task.classes]
        ratios = [ratio for ratio in ratios if ratio.value is not None]
        together = self._table.averaged(base, weighted=kind == "weighted")
        if kind == "weighted":
            return self._of_value(value, together, of.logit, self._rows)
        found = [self._share(ratio) for ratio in ratios]
        apart = sum(ratio.moved.variance for ratio in ratios) / len(ratios) ** 2 if ratios else 0.0
        inflated = max(1.0, together.variance / apart) if apart > 0 else 1.0
        values = [ratio.value for ratio in ratios if ratio.value is not None]
        limits = [one[0] for one in found if one is not None]
        return (of.interval_of_mean(values, limits, inflated), self._rows) if limits else None

    def _loss(self, name: str) -> gradients.LossMean | None:
        return gradients.mean_of_loss(self._pane, self._blocks, self._task.kind, name)

    def _mean(self, found: gradients.LossMean | None, form: of.Form = of.student) -> tuple[Interval, float] | None:
        if found is None:
            return None
        if found.telling < of.FEWEST_TELLING:
            return of.TOO_FEW, found.rows
        return self._of_value(found.value, found.moved, form, found.rows)

    def _of_value(self, value: float, moved: Influence, form: of.Form, rows: float) -> tuple[Interval, float]:
        if rows < of.FEWEST_ROWS:
            return of.TOO_FEW, rows
        effect, from_blocks = self._counting_as_one(moved)
        freedom = inf if from_blocks else rows - 1
        limits = form(value, moved.variance * effect, self._asked.confidence, freedom)
        return self._named(limits, blocks=from_blocks), rows

    def _regression(self, name: str, at: str, value: float) -> tuple[Interval, float] | None:
        if name == "mape":
            return self._mean(self._part_mean("percentage", 0))
        if name in ("quantile_loss", "interval_coverage"):
            return self._quantile(name, at)
        if name == "r2":
            return self._explained(value)
        if _LOSSES.get(name, name) not in LOSSES["regression"]:
            return None
        return self._mean(self._loss(_LOSSES.get(name, name)), of.root if name == "rmse" else of.student)

    def _part_mean(self, part: str, place: int, head: int = 0, negative: float = 0.0) -> gradients.LossMean | None:
        """Of a part that holds Σw, Σw², then Σwl, Σw²l and Σw²l² of each loss.

        ``head``: entries before them. ``negative``: Σw|l| of those below 0.
        """
        sums = self._pane.parts.get(part)
        at = head + 2 + 3 * place
        if sums is None or len(sums) < at + 3:
            return None
        own = np.array([one.parts[part] for one in self._blocks if part in one.parts]).reshape(-1, len(sums))
        squares = (sums[head + 1], sums[at + 1], sums[at + 2])
        size = sums[at] + 2 * negative
        return gradients.loss_mean(sums[head], sums[at], squares, own[:, [head, at]], own[:, head + 1], size)

    def _quantile(self, name: str, at: str) -> tuple[Interval, float] | None:
        """The mean pinball loss of a level, or the share of rows inside an interval."""
        levels, inside = list(self._task.quantiles), list(declared(self._task))
        known = levels if name == "quantile_loss" else inside
        place = next((place for place, level in enumerate(known) if number_text(level) == at), None)
        if place is None:
            return None
        if known is levels:
            return self._mean(self._part_mean("quantiles", place))
        found = self._part_mean("quantiles", len(levels) + place)
        if found is None:
            return None
        sums, first = self._pane.parts["quantiles"], 2 + 3 * (len(levels) + place)
        each = float(sums[1] / sums[0])
        hits = WeightSums(float(sums[first]), float(sums[first + 1]), each)
        misses = WeightSums(float(sums[0] - sums[first]), float(sums[1] - sums[first + 1]), each)
        return self._share(Ratio(hits, misses, found[2]))

    def _value(self, *, total: bool) -> tuple[Interval, float] | None:
        negative = float(self._pane.parts.get("value_negative", np.zeros(1))[0])
        found = self._part_mean("value", 0, head=1, negative=negative)
        bounded = self._mean(found)
        if not total or bounded is None:
            return bounded
        (low, high, method), rows = bounded
        weight = float(self._pane.parts["value"][1])
        return Interval(None if low is None else low * weight, None if high is None else high * weight, method), rows

    def _cost(self, *, total: bool) -> tuple[Interval, float] | None:
        """Return what decisions cost, by how many rows are in cells of each cost."""
        if self._table is None:
            return None
        costs, weight = cost_matrix(self._asked.costs, self._task), float(self._table.weight.sum())
        mean = float((costs * self._table.weight).sum()) / weight
        design, from_blocks = self._counting_as_one(self._table.moved((costs - mean) / weight))
        each = weight if total else 1.0
        low, high = mean_cost(self._table, costs, lambda hits, misses: self._exact(hits, misses, design))
        rows = effective(weight, float(self._table.squares.sum()))
        return self._named(Interval(low * each, high * each, "mover"), blocks=from_blocks), rows

    def _explained(self, value: float) -> tuple[Interval, float] | None:
        """R² moves with products of losses whose squares nobody keeps: only blocks tell how far."""
        sums = self._pane.parts["losses"]
        _, of_y, of_squares = sums[0], sums[4] / sums[0], sums[5]
        spread = of_squares - sums[4] * of_y
        slope = sums[3] / spread**2
        gradient = np.array([of_y**2 * slope, 0.0, 0.0, -1 / spread, -2 * of_y * slope, slope])
        own = [one.parts["losses"] for one in self._blocks if len(one.parts.get("losses", ())) == len(gradient)]
        if not own:
            return None
        blocks = np.stack(own)
        found = variance_from_blocks(blocks @ gradient, blocks[:, 0])
        if found is None:
            return None
        limits = of.student(value, found.effect, self._asked.confidence, found.freedom)
        return self._named(
            limits._replace(high=None if limits.high is None else min(1.0, limits.high)), blocks=True
        ), self._rows

    def _ranking(self, name: str) -> tuple[Interval, float] | None:
        """A mean over lists; a share of them where each counts or does not."""
        own = self._means[0].get(name)
        if own is None:
            return None
        of_blocks = [one[name] for one in self._means[1] if name in one]
        blocks = np.array([(one.weight, one.total) for one in of_blocks]).reshape(-1, 2)
        squares = np.array([one.squared for one in of_blocks])
        found = gradients.loss_mean(
            own.weight, own.total, (own.squared, own.weighted, own.spread), blocks, squares, own.total
        )
        if found is None:
            return None
        if not name.startswith(("ctr", "hit_rate")):  # at most 1: rare bad lists are few, too
            lost = (own.weight - own.total) ** 2, own.squared - 2 * own.weighted + own.spread
            return self._mean(found._replace(telling=min(found.telling, lost[0] / max(lost[1], 1e-300))))
        each = own.squared / own.weight
        sides = (
            WeightSums(own.total, own.weighted, each),
            WeightSums(own.weight - own.total, own.squared - own.weighted, each),
        )
        return self._share(Ratio(*sides, found[2]))

    @cached_property
    def _means(self) -> tuple[dict[str, Mean], list[dict[str, Mean]]]:
        return means(self._pane), [means(one) for one in self._blocks]

    def _rate(self) -> tuple[Interval, float] | None:
        """The share of positives, whose Σw² the spread of the losses holds."""
        found = self._loss("positive")
        if found is None:
            return None
        sums, spread = self._pane.parts["losses"], self._pane.parts["spread"]
        each = spread[0] / sums[0]
        hits = WeightSums(float(sums[4]), float(spread[7]), each)
        return self._share(
            Ratio(hits, WeightSums(float(sums[0] - sums[4]), float(spread[0] - spread[7]), each), found[2])
        )

    def _top(self, at: str) -> tuple[Interval, float] | None:
        found = highest.top_k_ratio(self._pane, self._blocks, int(at)) if at.isdigit() else None
        return None if found is None else self._share(found)

    def _gain(self, at: str, *, times: bool) -> tuple[Interval, float] | None:
        """The share of positives among so many rows; ``times``: as a multiple of what any rows would have of them."""
        curve, share = areas.score_curve(self._pane, self._blocks), float(at)
        if curve is None or share >= 1:
            return None
        rows, positives = sum(side.rows for side in curve), curve.positive.with_one_more(self._more)
        ratio, fewer = highest.gain_ratio(curve, share, self._more)
        if positives < of.FEWEST_OF_A_CLASS or fewer < of.FEWEST_ROWS:
            return of.TOO_FEW, rows
        found = self._share(ratio)
        if found is None:
            return None
        (low, high, method), _ = found
        by = share if times else 1.0
        return Interval(None if low is None else low / by, None if high is None else high / by, method), rows

    def _curve(self, name: str, value: float) -> tuple[Interval, float] | None:
        if name == "roc_auc_ovr":
            return self._areas(value)
        curve = areas.score_curve(self._pane, self._blocks)
        if curve is None:
            return None
        rows, held = sum(side.rows for side in curve), [side.with_one_more(self._more) for side in curve]
        if min(held[1:] if name == "average_precision" else held) < of.FEWEST_OF_A_CLASS:
            return of.TOO_FEW, rows
        moved = (areas.average_precision if name == "average_precision" else areas.area)(curve)[1]
        apart = value * (1 - value)
        if apart > 0 and 0 < moved.variance <= (UNSTEADY * apart) ** 2:
            return self._of_value(value, moved, areas.with_one_more([curve], self._more), rows)
        if name == "average_precision":
            return of.TOO_FEW, rows
        return of.interval_of_pairs(value, min(held), self._asked.confidence), rows

    def _areas(self, value: float) -> tuple[Interval, float] | None:
        """The mean of the areas of each class against the others, as if they all erred together: they share rows."""
        curves = [
            areas.score_curve(self._pane, self._blocks, *class_scores(at)) for at in range(len(self._task.classes))
        ]
        known = [one for one in curves if one is not None]
        if len(known) < len(curves):
            return None
        if min(side.with_one_more(self._more) for one in known for side in one) < of.FEWEST_OF_A_CLASS:
            return of.TOO_FEW, self._rows
        moved = [areas.area(one)[1] for one in known]
        k = len(moved)
        varies = (sum(sqrt(one.variance) for one in moved) / k) ** 2
        influence = np.sum([one.influence for one in moved], axis=0) / k
        expected = np.sum([one.expected for one in moved], axis=0)
        expected *= varies / max(float(expected.sum()), 1e-300)
        form = areas.with_one_more(known, self._more)
        return self._of_value(value, Influence(varies, influence, expected), form, self._rows)

    @cached_property
    def _more(self) -> float:
        """Return what a row more of whatever decision may weigh."""
        _, total, squared = self._pane.parts["outcomes"][:3].tolist()
        return float(self._table.unit.max()) if self._table is not None else squared / total

    @cached_property
    def _rows(self) -> float:
        """Effective rows of the window, Kish's."""
        return effective_rows(self._pane)
