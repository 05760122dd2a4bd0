"""What a baseline has taught about its model's performance, worked out once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline import Baseline
from driftline.bins import SCORE_BINS
from driftline.estimation import Estimation
from driftline.outcome_blocks import EXPECTED
from driftline.pane import Pane
from driftline.tables import F64, Task

from driftline_processor.core.evaluation import Metric
from driftline_processor.core.performance.realized import realized
from driftline_processor.core.performance.sums import effective_rows

from . import binary, losses, multiclass
from .bounds import NO_STRETCHES, Between, apart, between
from .rates import Rates, rates_of, weight_per_row
from .result import Point, Unsure

LEAST_COVERAGE = 0.5
"""Share of outcomes from which on an estimate of all rows may be judged by some of them."""

OFF = 0.15
"""Of how far an estimate has moved: what a model of losses, or calibrations of single classes, may be off."""

MOST_UNLIKE = 0.25
"""From where on rows are so unlike the reference's that no interval held what it says."""

DAY, FEWEST_DAYS = 86_400 * 10**9, 3
"""With fewer days, there is nothing but their parts to tell how stretches of time differ."""

LEAST_ROWS, LEAST_OF_A_CLASS = 1_000, 300
"""Of the reference: with fewer, what is learned is too good by more than an interval can say."""


@dataclass(eq=False, slots=True)
class Learned:
    """Of one baseline. ``rows``: effective ones whose outcome is known. ``reference``: their realized metrics."""

    task: Task
    rows: float
    reference: dict[str, Metric]
    rates: Rates | None
    estimation: Estimation
    _pane: Pane
    _per_row: dict[int, dict[str, tuple[float, float]]] = field(default_factory=dict)
    _differ: dict[tuple[int, str], tuple[Between, Between]] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """The length of a stretch of the reference's time, nanoseconds; 0 where none are known."""
        return 0 if self.estimation.blocks is None else self.estimation.blocks.length

    @property
    def lasting(self) -> int:
        """How long estimates stay off by as much, nanoseconds: a stretch, but a day where stretches are parts of days.

        Stretches of six hours of seven days are seven days, not 28: what is off in the morning is so at night.
        """
        many = 0 if self.estimation.blocks is None else len(self.estimation.blocks.panes)
        return max(self.length, DAY) if many * self.length >= FEWEST_DAYS * DAY else self.length

    def points(self, pane: Pane) -> tuple[dict[str, Point], int]:
        """Return what each metric of a pane is expected to be, and at which bin of the grid its model decides."""
        kind = self.task.kind
        if kind == "binary" and self.rates is not None:
            grid = binary.grid_of(pane, self.task)
            per_row = weight_per_row(pane, "rows")
            if grid is None:
                return {}, 0
            return binary.expected(grid, self.rates, per_row), binary.cut_of(grid, self._usual_cut)
        if kind == "multiclass":
            points = multiclass.expected(pane, len(self.task.classes))
        else:
            trees = self.estimation.losses
            points = {} if trees is None else losses.expected(pane, trees.spread)
        if kind == "binary":
            return {}, 0
        return self._with_learned(points, effective_rows(pane, "rows")), 0

    def _with_learned(self, points: dict[str, Point], rows: float) -> dict[str, Point]:
        """Add the variance of what was learned, of kinds whose sums do not tell where rows lie.

        Chance of as many rows as the reference has, of fewer where the window's rows are of another kind: the square of
        how far a metric has moved, in standard deviations of rows, is what they are less worth at least (the bound of
        Hammersley, Chapman and Robbins on the chi-square divergence).
        """
        away = [
            (one.value - was.value) ** 2 / (one.mix * rows)
            for name, one in points.items()
            if one.value is not None and one.mix > 0 and (was := self.reference.get(name)) and was.value is not None
        ]
        unlike = max(away, default=0.0)
        worth = self.rows / (rows * (1 + unlike)) if rows > 0 else 0.0
        unsure: Unsure | None = "unlike" if unlike > MOST_UNLIKE else "too_few" if self._too_few() else None
        found = {}
        for name, one in points.items():
            was = self.reference.get(name)
            moved = 0.0 if was is None or was.value is None or one.value is None else one.value - was.value
            chance = one.chance / worth if worth > 0 else 0.0
            overfit = chance * self._overfit(name)
            bias = overfit if self.task.kind == "multiclass" else 0.0  # of losses: tried on other rows than learned of
            found[name] = replace(one, learned=overfit + (OFF * moved) ** 2, bias=bias, unsure=unsure)
        return found

    def _overfit(self, metric: str) -> float:
        """How many times as far as chance what was learned is off, squared, in simulations (docs/performance.md)."""
        if self.task.kind == "regression":
            return 2.5
        if metric in ("log_loss", "brier"):
            return 1.0 + len(self.task.classes)
        return 4.0 if metric in ("accuracy", "roc_auc_ovr") else 1.5

    def _too_few(self) -> bool:
        worth = weight_per_row(self._pane, "outcomes")
        if any(one.rate @ one.weight < LEAST_OF_A_CLASS * worth for one in self.estimation.classes.values()):
            return True
        return self.rows < LEAST_ROWS and self.task.kind == "regression"

    def labelled(self, pane: Pane, points: dict[str, Point], rows: int) -> dict[str, Point]:
        """Return what is expected of those rows of a pane whose outcome is known; {} where that is not known.

        Of a binary model from their own scores, decided as those of their bin were. Of others it is what is expected of
        all ``rows`` (``points``), while half of their outcomes are known, with the chance of fewer.
        """
        outcomes = effective_rows(pane)
        if self.task.kind != "binary":
            all_rows = effective_rows(pane, "rows")
            if outcomes <= 0 or pane.parts["outcomes"][0] < LEAST_COVERAGE * rows:
                return {}
            more = max(1.0, all_rows / outcomes)
            return {name: replace(one, chance=one.chance * more) for name, one in points.items()}
        sides = [pane.parts.get(f"score_{side}") for side in ("negative", "positive")]
        grid = binary.grid_of(pane, self.task)
        if self.rates is None or grid is None or sides[0] is None or sides[1] is None:
            return {}
        weight, all_of = sides[0] + sides[1], grid.sum(axis=0)
        shares = np.divide(grid, all_of, out=np.zeros_like(grid), where=all_of > 0)
        return binary.expected(weight * shares, self.rates, weight_per_row(pane, "outcomes"))

    @property
    def _usual_cut(self) -> int:
        """From which bin of the grid on the model decided for the positive class, as often as it did."""
        confusion = self._pane.parts.get("confusion")
        if self.rates is None or confusion is None or confusion.sum() <= 0:
            return SCORE_BINS // 2
        said = confusion.reshape(2, 2).sum(axis=0)
        share = said[self.task.classes.index(self.task.positive_class)] / said.sum()
        above = np.cumsum(self.rates.rows[::-1])[::-1]
        return int(np.count_nonzero(above > share * above[0] * (1 + 1e-9)))

    def has_bounds(self, metric: str, cut: int, rows: int) -> bool:
        """Whether a quiet window of so many rows has enough of each decision that a metric is of, as the reference."""
        if self.rates is None:
            return True
        decided = np.array([self.rates.rows[:cut].sum(), self.rates.rows[cut:].sum()])
        return binary.enough_decided(metric, decided * min(1.0, rows / float(decided.sum())))

    def per_row(self, cut: int) -> dict[str, tuple[float, float]]:
        """Return the variance of each metric of the reference by chance and by mix, times its rows.

        ``cut``: see :meth:`points`.

        {} where it is not known: then that of the window has to do.
        """
        if cut not in self._per_row:
            points = self._reference_points(cut)
            self._per_row[cut] = {name: (one.chance * self.rows, one.mix * self.rows) for name, one in points.items()}
        return self._per_row[cut]

    def _reference_points(self, cut: int) -> dict[str, Point]:
        if self.task.kind == "binary" and self.rates is not None:
            weight = self._pane.parts["score_negative"] + self._pane.parts["score_positive"]
            grid = np.zeros((3, len(weight)))
            grid[0, :cut], grid[1, cut:] = weight[:cut], weight[cut:]
            return binary.as_learned(grid, self.rates, weight_per_row(self._pane, "outcomes"))
        blocks = self.estimation.blocks
        known = [] if blocks is None else [pane.parts[EXPECTED] for pane in blocks.panes if EXPECTED in pane.parts]
        return self._expected(np.sum(known, axis=0)) if known else {}

    def differ(self, cut: int, metric: str, per_row: tuple[float, float]) -> tuple[Between, Between]:
        """Return how much the reference's stretches differ in a metric, and how far estimates of them are off.

        ``per_row``: the variance of the metric by chance and by mix, times the rows.
        """
        key = (cut, metric)
        if metric not in self.per_row(cut):  # that of the window: another one has another
            return self._of_blocks(metric, per_row)
        if key not in self._differ:
            self._differ[key] = self._of_blocks(metric, per_row)
        return self._differ[key]

    def _of_blocks(self, metric: str, per_row: tuple[float, float]) -> tuple[Between, Between]:
        blocks = self.estimation.blocks
        if blocks is None:
            return NO_STRETCHES, NO_STRETCHES
        values, chance, errors, of_errors = [], [], [], []
        for pane in blocks.panes:
            found = realized(pane, self.task).get(metric)
            if found is None or found.value is None:
                continue
            rows = effective_rows(pane)
            values.append(found.value)
            chance.append(sum(per_row) / rows)
            said = self._expected(pane.parts.get(EXPECTED)).get(metric)
            if said is not None and said.value is not None:
                errors.append(found.value - said.value)
                of_errors.append(per_row[0] / rows)
        differ = between(values, chance)
        off = apart(errors, of_errors) if errors else differ
        many = round(off.stretches * self.length / max(self.lasting, 1))
        # their mean was learned
        beyond = off.variance * many / (many - 1) if errors and many > 1 else off.variance
        return differ, Between(beyond, many)

    def _expected(self, sums: F64 | None) -> dict[str, Point]:
        """What the estimate of a block of the reference says."""
        if sums is None:
            return {}
        if self.task.kind == "regression":
            trees = self.estimation.losses
            return {} if trees is None else losses.of_sums(sums, trees.spread)
        k = len(self.task.classes)
        if self.task.kind == "binary":
            return binary.of_confusion(sums.reshape(k, k), self.task)
        return multiclass.of_sums(sums, k)


_KNOWN: WeakKeyDictionary[Baseline, Learned] = WeakKeyDictionary()


def learned(baseline: Baseline) -> Learned:
    """Return what a baseline has taught; kept as long as it lives."""
    known = _KNOWN.get(baseline)
    if known is None:
        pane, task = baseline.pane, baseline.task
        rates = rates_of(pane) if task.kind == "binary" else None
        estimation = baseline.extras.estimation or Estimation()
        known = Learned(task, effective_rows(pane), realized(pane, task), rates, estimation, pane)
        _KNOWN[baseline] = known
    return known
