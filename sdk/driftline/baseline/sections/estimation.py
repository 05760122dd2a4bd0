"""Performance estimation: parameters learned from reference outcomes, and expected sums of rows without outcomes.

The expected sums are parts of a pane, so they can be added:

==========================  =========================================================================================
``score_grid:CLASS``        binary: weight per bin of the fixed score grid, by the index of the predicted class in
                            ``task.classes``; ``other`` for any other class
``estimate:classes``        multiclass: Σw, Σw², the expected confusion (actual × predicted, k² numbers), the variance
                            of each of its cells (k²), then sum and variance of the expected log loss and Brier score
``estimate:area:CLASS``     multiclass: weight per cell of the scores of one class, then the expected weight of rows of
                            this class; a cell is 8 bins of the score grid
``estimate:loss``           regression: Σw, Σw², then Σw l for each expected loss of ``loss_trees.OUTPUTS``, then Σw² l²
==========================  =========================================================================================

The first part requires only the rows; the others require the learned :class:`Estimation`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from driftline.baseline.codec import to_json
from driftline.panes.bins import SCORE_BINS, score_bin
from driftline.panes.model_bins import ModelBins
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane
from driftline.privacy.rules import FeatureFilter
from driftline.tables.classes import class_codes
from driftline.tables.performance_columns import EPSILON, GREATEST, actual_numbers, decide, usable_weight
from driftline.tables.table import F64, I32, I64, Column, PredictionTable
from driftline.tables.task import PerKind, Task

from .calibration import IsotonicSteps
from .loss_trees import OUTPUTS, LossTrees, cell_of
from .section import Section, block_columns
from .time_blocks import EXPECTED, OutcomeBlocks, TimeGrid

if TYPE_CHECKING:
    from driftline.baseline.reference_rows import ReferenceSetup


GRID = "score_grid:"
PREFIX = "estimate:"
CLASSES, AREA, LOSS = f"{PREFIX}classes", f"{PREFIX}area:", f"{PREFIX}loss"

OTHER = "other"
COARSE = 8
AREA_CELLS = -(-SCORE_BINS // COARSE)
MOST_AREAS = 20
"""Maximum number of classes for parts ``estimate:area:CLASS``; with more classes, there are none."""

MOST_CLASSES = 50


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Nonzero sums of a part by group: ``group``, ``index``: int64 (m,).

    Attributes:
        width: Length of the part's vector.
        value: float64 (m,), not 0.
    """

    part: str
    width: int
    group: I64
    index: I64
    value: F64

    def dense(self, groups: int) -> F64:
        """Return the vectors including zeros: float64 (groups, width)."""
        sums = np.bincount(self.group * self.width + self.index, self.value, minlength=groups * self.width)
        dense: F64 = sums.astype(np.float64, copy=False).reshape(groups, self.width)
        return dense


def width_of(part: str, classes: int) -> int | None:
    """Return the length of a part's vector; None for other parts."""
    if part.startswith(GRID):
        return SCORE_BINS
    if part.startswith(AREA):
        return 2 * AREA_CELLS
    return {CLASSES: 2 * classes**2 + 6, LOSS: 2 + 2 * len(OUTPUTS)}.get(part)


def score_grid(
    task: Task, scores: F64 | None, predicted: Column | None, weight: F64 | None, group: I64
) -> list[Entries]:
    """Count the scores of a binary model by predicted class; [] for other models.

    ``scores``: float64 (n, 1); ``group``: int64 (n,), from 0 on. Scores outside [0, 1] are not probabilities and are
    left out.

    >>> task, group = Task("binary", ("0", "1"), "1"), np.zeros(3, np.int64)
    >>> found = score_grid(task, np.array([[0.2], [0.5], [0.5]]), None, None, group)
    >>> [(one.part, one.index.tolist(), one.value.tolist()) for one in found]
    [('score_grid:0', [1871], [1.0]), ('score_grid:1', [2049], [2.0])]
    """
    if task.positive is None or scores is None or scores.shape[1:] != (1,):
        return []
    score = scores[:, 0]
    with np.errstate(invalid="ignore"):
        usable = np.flatnonzero((score >= 0) & (score <= 1))
    classes = len(task.classes)
    decided = decide(task, scores, predicted)[usable]
    decided = np.where((decided >= 0) & (decided < classes), decided, classes)
    cell = decided * SCORE_BINS + score_bin(score[usable])
    w = None if weight is None else usable_weight(weight)[usable]
    entries = []
    for decision in range(classes + 1):
        decided_rows = np.flatnonzero(decided == decision)
        if len(decided_rows):
            index = cell[decided_rows] - decision * SCORE_BINS
            name = f"{GRID}{decision if decision < classes else OTHER}"
            entries.append(
                _entries(name, SCORE_BINS, group[usable[decided_rows]], index, None if w is None else w[decided_rows])
            )
    return [entry for entry in entries if len(entry.value)]


def grid_counts(pane: Pane) -> F64 | None:
    """Return the weight of the scores of all rows over the grid: float64 (SCORE_BINS,); None without such a score."""
    parts = [counts for part, counts in pane.parts.items() if part.startswith(GRID)]
    return np.asarray(np.sum(parts, axis=0), np.float64) if parts else None


@dataclass(frozen=True, slots=True, eq=False)
class RowGroups:
    """The group of each of n rows, int64 (n,), and the number of groups; ``weight``: float64 (n,), None = 1."""

    group: I64
    count: int
    weight: F64 | None = None

    def sum(self, values: F64) -> F64:
        """Return the sum of each group: float64 (count,)."""
        return np.bincount(self.group, values, minlength=self.count).astype(np.float64, copy=False)


def class_sums(
    task: Task, scores: F64 | None, predicted: Column | None, groups: RowGroups, learned: Mapping[str, IsotonicSteps]
) -> list[Entries]:
    """Return the expected sums of a multiclass model; ``learned``: the calibration of each class."""
    k = len(task.classes)
    if not task.has_class_scores or scores is None or scores.shape[1] != k or learned.keys() != set(task.classes):
        return []
    decided = decide(task, scores, predicted)
    rows = np.flatnonzero(task.are_probabilities(scores) & (decided >= 0) & (decided < k))
    if not len(rows):
        return []
    s, count = scores[rows], groups.count
    w = np.ones(len(rows)) if groups.weight is None else usable_weight(groups.weight)[rows]
    used = RowGroups(groups.group[rows], count, w)
    bins = score_bin(s)
    p = chances(task, bins, learned)
    entries = [_of_dense(CLASSES, _class_parts(s, p, decided[rows], used))]
    if k <= MOST_AREAS:
        for column in range(k):
            cell = used.group * AREA_CELLS + bins[:, column] // COARSE
            cell_sums = [np.bincount(cell, numbers, minlength=count * AREA_CELLS) for numbers in (w, w * p[:, column])]
            entries.append(
                _of_dense(f"{AREA}{column}", np.hstack([numbers.reshape(count, AREA_CELLS) for numbers in cell_sums]))
            )
    return entries


def chances(task: Task, bins: I64, learned: Mapping[str, IsotonicSteps]) -> F64:
    """Return the probability of each class per row, float64 (n, k), with sum 1.

    ``bins``: bins of the scores, int64 (n, k).
    """
    p = np.column_stack([learned[name].rates()[bins[:, index]] for index, name in enumerate(task.classes)])
    total = p.sum(axis=1, keepdims=True)
    shares: F64 = np.divide(p, total, out=np.full_like(p, 1 / p.shape[1]), where=total > 0)
    return shares


def _class_parts(s: F64, p: F64, decided: I32, rows: RowGroups) -> F64:
    k, groups, w = s.shape[1], rows.count, np.ones(len(s)) if rows.weight is None else rows.weight
    likely = -np.log(np.clip(s, EPSILON, 1 - EPSILON))
    brier = (s**2).sum(axis=1, keepdims=True) - 2 * s + 1
    columns = [w, w * w]
    for loss in (likely, brier):
        mean = (p * loss).sum(axis=1)
        columns += [w * mean, w * w * ((p * loss**2).sum(axis=1) - mean**2)]
    plain = np.column_stack([rows.sum(column) for column in columns])
    confusion = np.zeros((2, groups, k, k))
    cell = rows.group * k + decided
    for actual in range(k):
        decided_chance = p[:, actual]
        for index, values in enumerate((w * decided_chance, w * w * decided_chance * (1 - decided_chance))):
            confusion[index, :, actual] = np.bincount(cell, values, minlength=groups * k).reshape(groups, k)
    return np.hstack([plain[:, :2], *confusion.reshape(2, groups, k * k), plain[:, 2:]])


def loss_sums(
    features: Mapping[str, Column], scores: F64 | None, groups: RowGroups, bins: ModelBins, learned: LossTrees
) -> list[Entries]:
    """Return the expected losses of a regression, from its features and predicted values."""
    if scores is None or not learned.needs(features):
        return []
    losses = learned.predict(features, scores[:, 0], bins)
    usable = np.isfinite(scores[:, 0])
    w = np.where(usable, 1.0 if groups.weight is None else usable_weight(groups.weight), 0.0)
    columns = [w, w * w, *(w * loss for loss in losses.T), *((w * loss) ** 2 for loss in losses.T)]
    return [_of_dense(LOSS, np.column_stack([groups.sum(column) for column in columns]))]


def learned_sums(
    table: PredictionTable, learned: Estimation | None, bins: ModelBins, group: I64, groups: int
) -> list[Entries]:
    """Return the sums of the rows of each group that need learned parameters; [] without any.

    ``group``: int64 (n,), from 0 on. ``bins``: those of the baseline that has learned them.
    """
    if learned is None or not len(table):
        return []
    rows, task = RowGroups(group, groups, table.weight), table.task
    if learned.classes:
        return class_sums(task, table.scores, table.predicted, rows, learned.classes)
    if learned.losses is not None and task.predicts_number:
        scores = None if table.scores is None else task.monitored_score(table.scores)[:, np.newaxis]
        return loss_sums(table.features, scores, rows, bins, learned.losses)
    return []


def _of_dense(part: str, sums: F64) -> Entries:
    group, index = np.nonzero(sums)
    return Entries(part, sums.shape[1], group, index, sums[group, index].astype(np.float64, copy=False))


def _entries(part: str, width: int, group: I64, index: I64, weight: F64 | None) -> Entries:
    """Count rows by group and index, sparsely: a batch can have many panes, each with few of the bins."""
    cell = group * width + index
    order = np.argsort(cell, kind="stable")
    ordered = cell[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    value = np.add.reduceat(np.ones(len(order)) if weight is None else weight[order], starts)
    filled = np.flatnonzero(value)
    cells = ordered[starts[filled]]
    return Entries(part, width, cells // width, cells % width, value[filled])


MAX_LABELLED_ROWS = 100_000
"""Maximum number of labelled rows for learning; a random sample if there are more."""

_SEED = 20_261_121


@dataclass(frozen=True, slots=True, eq=False)
class Estimation(Section):
    """Learned parameters of performance estimation. Those of binary scores are in the baseline's pane.

    Attributes:
        classes: Calibration of the score of each class, for a multiclass model.
        losses: Model of the losses of a regression.
        blocks: Performance per time block.
    """

    classes: Mapping[str, IsotonicSteps] = field(default_factory=dict)
    losses: LossTrees | None = None
    blocks: OutcomeBlocks | None = None

    @property
    def digest(self) -> str:
        """Identifier of the learned values on which sums depend: 32 hex characters; "" without learned values."""
        if not self.classes and self.losses is None:
            return ""
        text = json.dumps(to_json(replace(self, blocks=None)), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def __bool__(self) -> bool:
        return bool(self.classes) or self.losses is not None or self.blocks is not None

    def check_bins(self, bins: ModelBins) -> None:
        """Raise ``ValueError`` if the trees do not fit the bins."""
        if self.losses is not None:
            self.losses.check_bins(bins)

    def leaving(self, features: FeatureFilter) -> Self | None:
        """Return the section without the trees if they use features whose bins a rule changes."""
        remaining = replace(self, losses=None if self.losses is None else self.losses.leaving(features))
        return remaining or None


@dataclass(slots=True)
class _LabelledRows:
    """Labelled rows of a table, a random sample.

    Attributes:
        random_numbers: float64 (n,), random number of each row.
    """

    random_numbers: F64
    scores: F64
    decided: I32
    actual: F64
    weight: F64
    place: I64
    cells: dict[str, NDArray[np.uint8]]

    def __len__(self) -> int:
        return len(self.random_numbers)

    def take(self, rows: NDArray[Any]) -> _LabelledRows:
        cells = {name: cell[rows] for name, cell in self.cells.items()}
        return replace(self, cells=cells, **{name: getattr(self, name)[rows] for name in _COLUMNS})

    @classmethod
    def joined(cls, parts: Sequence[_LabelledRows]) -> _LabelledRows:
        cells = {
            name: np.concatenate([part.cells[name] for part in parts])
            for name in parts[0].cells
            if all(name in part.cells for part in parts)
        }
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
        return replace(parts[0], cells=cells, **columns)


_COLUMNS = ("random_numbers", "scores", "decided", "actual", "weight", "place")
"""Fields of labelled rows with a value per row."""


class EstimationGatherer:
    """Keeps at most 100,000 labelled rows as numbers, and learns from them at the end."""

    def __init__(self, reference: ReferenceSetup) -> None:
        self._bins = reference.bins
        self._stretches = TimeGrid.of(reference.sample.time)
        self._task: Task | None = None
        self._row_parts: list[_LabelledRows] = []
        self._random, self._limit = np.random.default_rng(_SEED), 1.0

    def add(self, table: PredictionTable, actual: Column | None) -> None:
        """Add rows."""
        task = table.task
        if actual is None or table.scores is None or not len(table) or not task.losses:
            return
        random_numbers = self._random.random(len(table))
        scores = table.scores
        usable = _usable(task, scores, actual)
        self._task = task
        rows = np.flatnonzero((random_numbers < self._limit) & usable[0])
        if not len(rows):
            return
        cells: dict[str, NDArray[np.uint8]] = {}
        if task.predicts_number:
            for name, bins in block_columns(self._bins).items():
                if bins.size + 2 <= 256:
                    cells[name] = cell_of(name, table.features, task.monitored_score(scores), self._bins).astype(
                        np.uint8
                    )
        weight = np.ones(len(table)) if table.weight is None else usable_weight(table.weight)
        place = np.zeros(len(table), np.int64) if self._stretches is None else self._stretches.place(table.time)
        decided = decide(task, scores, table.predicted)
        labelled = _LabelledRows(
            random_numbers=random_numbers,
            scores=scores,
            decided=decided,
            actual=usable[1],
            weight=weight,
            place=place,
            cells=cells,
        )
        self._row_parts.append(labelled.take(rows))
        if sum(map(len, self._row_parts)) > 2 * MAX_LABELLED_ROWS:
            self._shrink()

    def _shrink(self) -> _LabelledRows:
        kept_rows = _LabelledRows.joined(self._row_parts)
        if len(kept_rows) > MAX_LABELLED_ROWS:
            chosen = np.sort(np.argpartition(kept_rows.random_numbers, MAX_LABELLED_ROWS)[:MAX_LABELLED_ROWS])
            self._limit = float(kept_rows.random_numbers[chosen].max())
            kept_rows = kept_rows.take(chosen)
        self._row_parts = [kept_rows]
        return kept_rows

    def piece(self) -> Estimation | None:
        """Return the learned estimation; None if there are too few outcomes."""
        if not self._row_parts or self._task is None:
            return None
        task, rows = self._task, self._shrink()
        groups = 1 if self._stretches is None else self._stretches.count + 1
        estimation, expected = _LEARN.of(task)(task, rows, groups, self._bins)
        if self._stretches is not None and expected:
            panes = [_block(task, rows, index, expected) for index in range(self._stretches.count)]
            estimation = replace(estimation, blocks=OutcomeBlocks.of(self._stretches.length, panes))
        return estimation or None


def _usable(task: Task, scores: F64, actual: Column) -> tuple[NDArray[np.bool_], F64]:
    """Return which rows have a usable score and outcome, and the outcome: the index of its class, or the value."""
    if task.predicts_number:
        truth = actual_numbers(actual)
        with np.errstate(invalid="ignore"):
            return (np.abs(truth) <= GREATEST) & (np.abs(task.monitored_score(scores)) <= GREATEST), truth
    codes = class_codes(actual, task.classes)
    truth = np.full(len(scores), -1.0) if codes is None else codes.astype(np.float64)
    return task.are_probabilities(scores) & (truth >= 0) & (truth < len(task.classes)), truth


LearnedEstimation = tuple[Estimation, Mapping[str, F64]]
"""The learned estimation, and the expected sums of each time block of the reference."""


def _learn_binary(task: Task, rows: _LabelledRows, groups: int, _bins: ModelBins) -> LearnedEstimation:
    return Estimation(), _expected_confusion(task, rows, groups)


def _learn_multiclass(task: Task, rows: _LabelledRows, groups: int, _bins: ModelBins) -> LearnedEstimation:
    if len(task.classes) > MOST_CLASSES:
        return Estimation(), {}
    classes = _classes(task, rows)
    return Estimation(classes), _expected_sums(task, rows, groups, classes)


def _learn_regression(task: Task, rows: _LabelledRows, groups: int, bins: ModelBins) -> LearnedEstimation:
    learned = _learned_losses(task, rows, bins)
    return Estimation(losses=learned), {} if learned is None else _expected_losses(task, rows, groups, bins, learned)


def _learn_nothing(_task: Task, _rows: _LabelledRows, _groups: int, _bins: ModelBins) -> LearnedEstimation:
    return Estimation(), {}


_LEARN = PerKind(
    binary=_learn_binary,
    multiclass=_learn_multiclass,
    regression=_learn_regression,
    ranking=_learn_nothing,
    unknown=_learn_nothing,
)


def _expected_confusion(task: Task, rows: _LabelledRows, groups: int) -> Mapping[str, F64]:
    """Return the expected confusion of each time block."""
    positive = task.classes.index(task.positive_class)
    bins, hit = score_bin(rows.scores[:, 0]), rows.actual == positive
    steps = _steps(bins, hit, rows.weight)
    if steps is None:
        return {}
    chance = steps.rates()[bins]
    sums = np.zeros((groups, 2, 2))
    usable = (rows.decided >= 0) & (rows.decided < 2)
    cell = rows.place[usable] * 2 + rows.decided[usable]
    for actual, share in ((positive, chance), (1 - positive, 1 - chance)):
        weight = (rows.weight * share)[usable]
        sums[:, actual] = np.bincount(cell, weight, minlength=2 * groups).reshape(groups, 2)
    return {EXPECTED: sums.reshape(groups, 4)}


def _steps(bins: I64, hit: NDArray[np.bool_], weight: F64) -> IsotonicSteps | None:
    negative = np.bincount(bins[~hit], weight[~hit], minlength=SCORE_BINS).astype(np.float64, copy=False)
    positive = np.bincount(bins[hit], weight[hit], minlength=SCORE_BINS).astype(np.float64, copy=False)
    return IsotonicSteps.of(negative, positive)


def _classes(task: Task, rows: _LabelledRows) -> dict[str, IsotonicSteps]:
    bins = score_bin(rows.scores)
    steps_by_class = {}
    for index, name in enumerate(task.classes):
        steps = _steps(bins[:, index], rows.actual == index, rows.weight)
        if steps is None:
            return {}
        steps_by_class[name] = steps
    return steps_by_class


def _expected_sums(
    task: Task, rows: _LabelledRows, groups: int, classes: Mapping[str, IsotonicSteps]
) -> Mapping[str, F64]:
    categories = Column(codes=rows.decided, categories=task.classes)
    entries = class_sums(task, rows.scores, categories, RowGroups(rows.place, groups, rows.weight), classes)
    sums = next((entry.dense(groups) for entry in entries if entry.part == CLASSES), None)
    return {} if sums is None else {EXPECTED: sums}


def _learned_losses(task: Task, rows: _LabelledRows, bins: ModelBins) -> LossTrees | None:
    wrong = task.monitored_score(rows.scores) - rows.actual
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(rows.actual != 0, np.abs(wrong / rows.actual), np.nan)
    share[~(share <= GREATEST)] = np.nan
    losses = np.column_stack([np.abs(wrong), wrong**2, share])
    return LossTrees.learned({name: cells.astype(np.intp) for name, cells in rows.cells.items()}, bins, losses)


def _expected_losses(
    task: Task, rows: _LabelledRows, groups: int, bins: ModelBins, learned: LossTrees
) -> Mapping[str, F64]:
    """Return the expected losses of each time block, by trees of the other half of the time.

    An estimate is of rows after those that it was learned from. Trees know the errors of their own rows and of the days
    around them, which hide how wrong an estimate is at another time.
    """
    losses = _predicted_losses(rows, learned)
    middle = np.median(rows.place[rows.place < groups - 1]) if (rows.place < groups - 1).any() else 0
    halves = [rows.place < middle, (rows.place >= middle) & (rows.place < groups - 1)]
    for half, other in (halves, halves[::-1]):
        trees = _learned_losses(task, rows.take(np.flatnonzero(other)), bins)
        if trees is not None:
            losses[half] = _predicted_losses(rows.take(np.flatnonzero(half)), trees)
    columns = [rows.weight, rows.weight**2, *(rows.weight * loss for loss in losses.T)]
    columns += [(rows.weight * loss) ** 2 for loss in losses.T]
    return {EXPECTED: np.column_stack([np.bincount(rows.place, column, minlength=groups) for column in columns])}


def _predicted_losses(rows: _LabelledRows, learned: LossTrees) -> F64:
    places = np.stack(
        [
            rows.cells[name] if (order := learned.orders.get(name)) is None else order[rows.cells[name]]
            for name in learned.inputs
        ]
    )
    return np.maximum(learned.trees.predict(np.ascontiguousarray(places)), 0.0)


def _block(task: Task, rows: _LabelledRows, place: int, expected: Mapping[str, F64]) -> Pane:
    block_rows = np.flatnonzero(rows.place == place)
    actual = Column(numbers=rows.actual[block_rows])
    predicted = None
    if not task.predicts_number:
        actual = Column(codes=rows.actual[block_rows].astype(np.int32), categories=task.classes)
        predicted = Column(codes=rows.decided[block_rows], categories=(*task.classes, ""))
    pane = fold_outcomes(task, rows.scores[block_rows], predicted, actual, rows.weight[block_rows])
    return Pane({**pane.parts, **{name: sums[place] for name, sums in expected.items()}})
