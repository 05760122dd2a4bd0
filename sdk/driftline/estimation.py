"""What a baseline has learned from its outcomes, so that performance can be estimated where there are none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from .bins import SCORE_BINS, score_bin
from .blocks import Stretches
from .checked import by_name
from .classes import class_codes
from .expected import CLASSES, MOST_CLASSES, class_sums
from .fold import GREATEST, SUM_TOLERANCE, ModelBins, actual_numbers, decide, fold_outcomes, target_score, usable_weight
from .leaving import Leaving
from .loss_trees import LossTrees, cell_of
from .outcome_blocks import EXPECTED, OutcomeBlocks
from .pane import Pane
from .rising import Steps
from .tables import F64, I32, I64, Column, PredictionTable, Task

if TYPE_CHECKING:
    from .gathering import Reference

MOST_KEPT = 100_000
"""Labelled rows that are learned from while a baseline is built; of more, so many by chance."""

_SEED = 20_261_121


@dataclass(frozen=True, slots=True, eq=False)
class Estimation:
    """``classes``: of a multiclass model, class → how often a score of it came true. ``losses``: of a regression.

    ``blocks``: performance by stretch of time. What the scores of a binary model came to is in the baseline's pane.
    """

    classes: Mapping[str, Steps] = field(default_factory=dict)
    losses: LossTrees | None = None
    blocks: OutcomeBlocks | None = None

    @property
    def digest(self) -> str:
        """What sums that depend on it are known by: 32 hex characters; "" where none do."""
        if not self.classes and self.losses is None:
            return ""
        text = json.dumps({**self.to_json(), "blocks": None}, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        value: dict[str, Any] = {}
        if self.classes:
            value["classes"] = {name: steps.to_json() for name, steps in self.classes.items()}
        if self.losses is not None:
            value["losses"] = self.losses.to_json()
        if self.blocks is not None:
            value["blocks"] = self.blocks.to_json()
        return value

    @classmethod
    def from_json(cls, value: object, bins: ModelBins) -> Self:
        """Read it back. Raises ``ValueError`` that names the rule."""
        read = by_name(value)
        classes = {name: Steps.from_json(by_name(one)) for name, one in by_name(read.get("classes", {})).items()}
        losses = LossTrees.from_json(read["losses"], bins) if "losses" in read else None
        return cls(classes, losses, OutcomeBlocks.from_json(read["blocks"]) if "blocks" in read else None)

    def leaving(self, features: Leaving) -> Self | None:
        """Return it without the trees where they look at features whose bins a rule changes."""
        losses = None if self.losses is None else self.losses.leaving(features)
        kept = type(self)(self.classes, losses, self.blocks)
        return kept if kept.to_json() else None


@dataclass(slots=True)
class _Kept:
    """Labelled rows of a table, some of them drawn by chance. ``drawn``: float64 (n,), what each has drawn."""

    drawn: F64
    scores: F64
    decided: I32
    actual: F64
    weight: F64
    place: I64
    cells: dict[str, NDArray[np.uint8]]

    def __len__(self) -> int:
        return len(self.drawn)

    def taken(self, which: NDArray[Any]) -> _Kept:
        cells = {name: own[which] for name, own in self.cells.items()}
        scores, decided, actual = self.scores[which], self.decided[which], self.actual[which]
        return _Kept(self.drawn[which], scores, decided, actual, self.weight[which], self.place[which], cells)

    @classmethod
    def joined(cls, parts: Sequence[_Kept]) -> _Kept:
        cells = {
            name: np.concatenate([one.cells[name] for one in parts])
            for name in parts[0].cells
            if all(name in one.cells for one in parts)
        }
        return cls(
            np.concatenate([one.drawn for one in parts]),
            np.concatenate([one.scores for one in parts]),
            np.concatenate([one.decided for one in parts]),
            np.concatenate([one.actual for one in parts]),
            np.concatenate([one.weight for one in parts]),
            np.concatenate([one.place for one in parts]),
            cells,
        )


class EstimationGatherer:
    """Keeps labelled rows, at most 100,000, as numbers; learns from them when all are there."""

    def __init__(self, reference: Reference) -> None:
        self._bins = reference.bins
        self._stretches = Stretches.of(reference.sample.time)
        self._task: Task | None = None
        self._kept: list[_Kept] = []
        self._random, self._limit = np.random.default_rng(_SEED), 1.0

    def add(self, table: PredictionTable, actual: Column | None) -> None:
        """Take in more rows."""
        task = table.task
        if actual is None or table.scores is None or not len(table) or task.kind not in _KINDS:
            return
        drawn = self._random.random(len(table))
        scores = table.scores if task.kind != "regression" else target_score(task, table.scores)[:, np.newaxis]
        known = _usable(task, scores, actual)
        self._task = task
        rows = np.flatnonzero((drawn < self._limit) & known[0])
        if not len(rows):
            return
        cells: dict[str, NDArray[np.uint8]] = {}
        if task.kind == "regression":
            over = {f"feature:{name}": one for name, one in self._bins.features.items()}
            if self._bins.score is not None:
                over["score"] = self._bins.score
            for name, one in over.items():
                if one.size + 2 <= 256:
                    cells[name] = cell_of(name, table.features, scores[:, 0], self._bins)[rows].astype(np.uint8)
        weight = np.ones(len(table)) if table.weight is None else usable_weight(table.weight)
        place = np.zeros(len(table), np.int64) if self._stretches is None else self._stretches.place(table.time)
        decided = decide(task, scores, table.predicted)
        self._kept.append(
            _Kept(drawn[rows], scores[rows], decided[rows], known[1][rows], weight[rows], place[rows], cells)
        )
        if sum(map(len, self._kept)) > 2 * MOST_KEPT:
            self._shrink()

    def _shrink(self) -> _Kept:
        whole = _Kept.joined(self._kept)
        if len(whole) > MOST_KEPT:
            chosen = np.sort(np.argpartition(whole.drawn, MOST_KEPT)[:MOST_KEPT])
            self._limit = float(whole.drawn[chosen].max())
            whole = whole.taken(chosen)
        self._kept = [whole]
        return whole

    def piece(self) -> Estimation | None:
        """Return what was learned; None where no outcome is known, or too few."""
        if not self._kept or self._task is None:
            return None
        task, rows = self._task, self._shrink()
        found = Estimation()
        expected: Mapping[str, F64] = {}
        groups = 1 if self._stretches is None else self._stretches.count + 1
        if task.kind == "binary":
            expected = _binary(task, rows, groups)
        elif task.kind == "multiclass" and len(task.classes) <= MOST_CLASSES:
            classes = _classes(task, rows)
            found, expected = Estimation(classes), _multiclass(task, rows, groups, classes)
        elif task.kind == "regression":
            learned = _learned_losses(rows, self._bins)
            found = Estimation(losses=learned)
            expected = {} if learned is None else _regression(rows, groups, learned)
        if self._stretches is not None and expected:
            panes = [_block(task, rows, at, expected) for at in range(self._stretches.count)]
            found = Estimation(found.classes, found.losses, OutcomeBlocks.of(self._stretches.length, panes))
        return found if found.to_json() else None


_KINDS = ("binary", "multiclass", "regression")


def _usable(task: Task, scores: F64, actual: Column) -> tuple[NDArray[np.bool_], F64]:
    """Which rows have a usable score and outcome, and the outcome: the place of its class, or the value."""
    with np.errstate(invalid="ignore"):
        if task.kind == "regression":
            truth = actual_numbers(actual)
            return (np.abs(truth) <= GREATEST) & (np.abs(scores[:, 0]) <= GREATEST), truth
        codes = class_codes(actual, task.classes)
        truth = np.full(len(scores), -1.0) if codes is None else codes.astype(np.float64)
        probable = ((scores >= 0) & (scores <= 1)).all(axis=1)
        if task.kind == "multiclass":
            probable &= np.abs(scores.sum(axis=1) - 1) <= SUM_TOLERANCE
        return probable & (truth >= 0) & (truth < len(task.classes)), truth


def _binary(task: Task, rows: _Kept, groups: int) -> Mapping[str, F64]:
    """The expected confusion of each stretch."""
    positive = task.classes.index(task.positive_class)
    at, hit = score_bin(rows.scores[:, 0]), rows.actual == positive
    steps = _steps(at, hit, rows.weight)
    if steps is None:
        return {}
    chance = steps.rates()[at]
    sums = np.zeros((groups, 2, 2))
    usable = (rows.decided >= 0) & (rows.decided < 2)
    cell = rows.place[usable] * 2 + rows.decided[usable]
    for actual, share in ((positive, chance), (1 - positive, 1 - chance)):
        weight = (rows.weight * share)[usable]
        sums[:, actual] = np.bincount(cell, weight, minlength=2 * groups).reshape(groups, 2)
    return {EXPECTED: sums.reshape(groups, 4)}


def _steps(at: I64, hit: NDArray[np.bool_], weight: F64) -> Steps | None:
    negative = np.bincount(at[~hit], weight[~hit], minlength=SCORE_BINS).astype(np.float64, copy=False)
    positive = np.bincount(at[hit], weight[hit], minlength=SCORE_BINS).astype(np.float64, copy=False)
    return Steps.of(negative, positive)


def _classes(task: Task, rows: _Kept) -> dict[str, Steps]:
    bins = score_bin(rows.scores)
    found = {}
    for at, name in enumerate(task.classes):
        steps = _steps(bins[:, at], rows.actual == at, rows.weight)
        if steps is None:
            return {}
        found[name] = steps
    return found


def _multiclass(task: Task, rows: _Kept, groups: int, classes: Mapping[str, Steps]) -> Mapping[str, F64]:
    labels = Column(codes=rows.decided, labels=task.classes)
    found = class_sums(task, rows.scores, labels, rows.weight, rows.place, groups, classes)
    sums = next((one.dense(groups) for one in found if one.part == CLASSES), None)
    return {} if sums is None else {EXPECTED: sums}


def _learned_losses(rows: _Kept, bins: ModelBins) -> LossTrees | None:
    wrong = rows.scores[:, 0] - rows.actual
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(rows.actual != 0, np.abs(wrong / rows.actual), np.nan)
    share[~(share <= GREATEST)] = np.nan
    losses = np.column_stack([np.abs(wrong), wrong**2, share])
    return LossTrees.learned({name: cells.astype(np.intp) for name, cells in rows.cells.items()}, bins, losses)


def _regression(rows: _Kept, groups: int, learned: LossTrees) -> Mapping[str, F64]:
    places = np.stack(
        [
            rows.cells[name] if (order := learned.orders.get(name)) is None else order[rows.cells[name]]
            for name in learned.inputs
        ]
    )
    said = np.maximum(learned.trees.predict(np.ascontiguousarray(places)), 0.0)
    columns = [rows.weight, rows.weight**2, *(rows.weight * one for one in said.T)]
    columns += [(rows.weight * one) ** 2 for one in said.T]
    return {EXPECTED: np.column_stack([np.bincount(rows.place, one, minlength=groups) for one in columns])}


def _block(task: Task, rows: _Kept, at: int, expected: Mapping[str, F64]) -> Pane:
    own = np.flatnonzero(rows.place == at)
    actual = Column(numbers=rows.actual[own])
    predicted = None
    if task.kind != "regression":
        actual = Column(codes=rows.actual[own].astype(np.int32), labels=task.classes)
        predicted = Column(codes=rows.decided[own], labels=(*task.classes, ""))
    pane = fold_outcomes(task, rows.scores[own], predicted, actual, rows.weight[own])
    return Pane({**pane.parts, **{name: sums[at] for name, sums in expected.items()}})
