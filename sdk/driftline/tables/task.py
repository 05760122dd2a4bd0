"""The task of a model, and the kinds of task.

A kind is one object, a :class:`TaskKind` of :data:`KINDS`. To add a kind, write that object here and give
:class:`PerKind` a field. The type checker then lists every package that must handle the kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

SUM_TOLERANCE = 1e-3
"""Scores of one row whose sum is farther from 1 are not probabilities and have no log loss."""


@dataclass(frozen=True, slots=True)
class Task:
    """The task of a model: its kind, classes and threshold.

    ``kind``: ``"binary"``, ``"multiclass"``, ``"regression"``, ``"ranking"`` or ``""`` while unknown. ``classes``:
    canonical class texts (see :func:`driftline.tables.classes.class_text`), in the order of the score columns.
    ``threshold``: smallest score of the positive class for which it is predicted, binary only. ``cutoffs``: cutoffs of
    ranking metrics, ranking only; () = :data:`driftline.panes.relevance.CUTOFFS`. ``quantiles``: levels of a quantile
    regression, increasing, in the order of the score columns.

    >>> Task("binary", ("no", "yes"), "yes").positive, Task("ranking").has_classes
    (1, False)
    """

    kind: str = ""
    classes: tuple[str, ...] = ()
    positive_class: str = ""
    threshold: float = 0.5
    cutoffs: tuple[int, ...] = ()
    quantiles: tuple[float, ...] = ()

    @property
    def of_kind(self) -> TaskKind:
        """Return the properties that all tasks of this kind share."""
        return KINDS.get(self.kind, UNKNOWN)

    @property
    def has_classes(self) -> bool:
        """Return True if predictions and outcomes are classes; False for an unknown kind."""
        return self.of_kind.has_classes

    @property
    def may_have_classes(self) -> bool:
        """Return True if predictions can be classes: for tasks with classes, and an unknown kind."""
        return self.of_kind.has_classes or not self.kind

    @property
    def has_threshold(self) -> bool:
        """Return True if there is one score, of the positive class, and a threshold."""
        return self.of_kind.has_threshold

    @property
    def has_class_scores(self) -> bool:
        """Return True if each class has a score, and the class with the greatest score is predicted."""
        return self.of_kind.has_class_scores

    @property
    def predicts_number(self) -> bool:
        """Return True if predictions and outcomes are numbers."""
        return self.of_kind.predicts_number

    @property
    def ranks_items(self) -> bool:
        """Return True if a prediction is a list of items, and an outcome is the relevant items."""
        return self.of_kind.ranks_items

    @property
    def may_rank_items(self) -> bool:
        """Return True if predictions can be lists of items: for rankings, and an unknown kind."""
        return self.of_kind.ranks_items or not self.kind

    @property
    def losses(self) -> tuple[str, ...]:
        """Return the names of the sums in a pane's part ``losses``: the weight, then each loss; () without losses."""
        return self.of_kind.losses

    @property
    def positive(self) -> int | None:
        """Return the index of the positive class; None if there is none, or it is unknown."""
        has_positive = self.has_threshold and self.positive_class in self.classes
        return self.classes.index(self.positive_class) if has_positive else None

    @property
    def has_several_scores(self) -> bool:
        """Return True if a prediction has several scores: one per class, or one per declared quantile."""
        return self.has_class_scores or bool(self.quantiles)

    @property
    def score_columns(self) -> int:
        """Return the number of scores per row of a task with several: one per class, or one per declared quantile.

        >>> Task("multiclass", ("a", "b", "c")).score_columns, Task("regression", quantiles=(0.1, 0.9)).score_columns
        (3, 2)
        """
        return len(self.quantiles) if self.predicts_number else len(self.classes)

    def value_column(self, columns: int) -> int:
        """Return the score column that is the predicted value of a regression: the level 0.5, else the middle level.

        >>> Task("regression", quantiles=(0.1, 0.5, 0.9)).value_column(3), Task("regression").value_column(1)
        (1, 0)
        """
        if columns < 2 or columns != len(self.quantiles):
            return 0
        return self.quantiles.index(0.5) if 0.5 in self.quantiles else (columns - 1) // 2

    def monitored_score(self, scores: F64) -> F64:
        """Return the score whose distribution is monitored: float64 (n,).

        Binary: the score of the positive class; multiclass: the greatest score (confidence); regression: the value, see
        :meth:`value_column`; ranking: the score of the first item.
        """
        if self.has_class_scores and scores.shape[1] > 1:
            return np.asarray(scores.max(axis=1), dtype=np.float64)
        return scores[:, self.value_column(scores.shape[1])]

    def shape_scores(self, scores: F64) -> F64:
        """Convert scores (n, k), in the order of ``classes``, to the form of a table.

        Binary (n, 2) becomes (n, 1), the positive class; for a ranking, only the first item's score is kept; a
        regression has one column per declared quantile, or one. Raises ``ValueError`` if the number of columns does not
        fit.

        >>> Task("binary", ("0", "1"), "1").shape_scores(np.array([[0.9, 0.1]]))
        array([[0.1]])
        """
        shaped = self.of_kind.shape_scores(self, scores)
        if shaped is None:
            width = self.score_columns if self.has_several_scores else 1
            raise ValueError(f"there are {scores.shape[1]} score columns; a {self.kind} model has {width}")
        return shaped

    def are_probabilities(self, scores: F64) -> NDArray[np.bool_]:
        """Return True for rows whose scores are probabilities: bool (n,), false if a score is NaN.

        Each score is between 0 and 1; scores per class have sum 1.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            probable = (scores.min(axis=1) >= 0) & (scores.max(axis=1) <= 1)
            if self.has_class_scores:
                probable &= np.abs(scores.sum(axis=1) - 1) <= SUM_TOLERANCE
        return np.asarray(probable, np.bool_)

    def derive_classes(self, scores: F64) -> I32:
        """Return the class that the scores of each row imply: int32 (n,) codes into ``classes``, -1 unknown."""
        derived = self.of_kind.derive_classes(self, scores)
        return np.full(len(scores), -1, dtype=np.int32) if derived is None else derived

    def score_of_classes(self, scores: F64, codes: I32) -> F64 | None:
        """Return the score of one class per row: float64 (n,); None if the task has no class scores.

        ``codes``: int32 (n,), the class of each row; the score of an invalid code is undefined.

        >>> Task("binary", ("0", "1"), "1").score_of_classes(np.array([[0.75], [0.75]]), np.array([1, 0], np.int32))
        array([0.75, 0.25])
        """
        return self.of_kind.score_of_classes(self, scores, codes)

    def derive_class(self, score: Any) -> str:
        """Return the class that the score of one row implies; "" if there is none.

        ``score``: a float, or one float per class or quantile.

        >>> Task("binary", ("0", "1"), "1").derive_class(0.5), Task("multiclass", ("a", "b")).derive_class((0.4, 0.6))
        ('1', 'b')
        """
        return self.of_kind.derive_class(self, score)


def _value_or_quantiles(task: Task, scores: F64) -> F64 | None:
    return scores if scores.shape[1] == (len(task.quantiles) or 1) else None


def _no_classes(_task: Task, _scores: F64) -> None:
    return None


def _no_score(_task: Task, _scores: F64, _codes: I32) -> None:
    return None


def _no_class(_task: Task, _score: Any) -> str:
    return ""


class TaskKind(NamedTuple):
    """The properties that all tasks of a kind share. The defaults are those of a kind without classes.

    Attributes:
        name: Name in Python, in YAML and in telemetry.
        has_classes: Whether predictions and outcomes are classes.
        has_threshold: Whether there is one score, of the positive class, and a threshold.
        has_class_scores: Whether each class has a score, and the class with the greatest score is predicted.
        predicts_number: Whether predictions and outcomes are numbers.
        ranks_items: Whether a prediction is a list of items, and an outcome is the relevant items.
        losses: Names of the sums in the part ``losses`` of a pane: the weight, then each loss; () without losses.
        shape_scores: Given scores (n, k) → scores in the form of a table; None = k does not fit.
        derive_classes: Scores in the form of a table → int32 (n,), class of each row; None = no classes.
        score_of_classes: Scores in the form of a table, and a class per row, int32 (n,) → its score, float64 (n,).
        derive_class: Score of one row → class text, "" = none; without numpy, for spans.
    """

    name: str
    has_classes: bool = False
    has_threshold: bool = False
    has_class_scores: bool = False
    predicts_number: bool = False
    ranks_items: bool = False
    losses: tuple[str, ...] = ()
    shape_scores: Callable[[Task, F64], F64 | None] = _value_or_quantiles
    derive_classes: Callable[[Task, F64], I32 | None] = _no_classes
    score_of_classes: Callable[[Task, F64, I32], F64 | None] = _no_score
    derive_class: Callable[[Task, Any], str] = _no_class


def _score_of_positive(task: Task, scores: F64) -> F64 | None:
    if scores.shape[1] == 2:
        index = task.classes.index(task.positive_class)
        return scores[:, index : index + 1]
    return scores if scores.shape[1] == 1 else None


def _classes_at_threshold(task: Task, scores: F64) -> I32 | None:
    positive = task.positive
    if positive is None or scores.shape[1] != 1:
        return None
    score = scores[:, 0]
    derived: I32 = np.where(score >= task.threshold, positive, 1 - positive).astype(np.int32)
    derived[np.isnan(score)] = -1
    return derived


def _score_or_its_rest(task: Task, scores: F64, codes: I32) -> F64 | None:
    if task.positive is None or scores.shape[1] != 1:
        return None
    return np.where(codes == task.positive, scores[:, 0], 1 - scores[:, 0])


def _class_at_threshold(task: Task, score: Any) -> str:
    if score >= task.threshold:
        return task.positive_class
    first, second = task.classes
    return "" if score != score else second if first == task.positive_class else first


BINARY: Final = TaskKind(
    name="binary",
    has_classes=True,
    has_threshold=True,
    losses=("weight", "brier", "log_loss", "score", "positive"),
    shape_scores=_score_of_positive,
    derive_classes=_classes_at_threshold,
    score_of_classes=_score_or_its_rest,
    derive_class=_class_at_threshold,
)


def _score_of_each_class(task: Task, scores: F64) -> F64 | None:
    return scores if scores.shape[1] == len(task.classes) else None


def _greatest_classes(task: Task, scores: F64) -> I32 | None:
    if not 0 < scores.shape[1] == len(task.classes):
        return None
    derived: I32 = scores.argmax(axis=1).astype(np.int32)
    derived[np.isnan(scores).any(axis=1)] = -1
    return derived


def _scores_of_classes(task: Task, scores: F64, codes: I32) -> F64 | None:
    if not 0 < scores.shape[1] == len(task.classes):
        return None
    f64: F64 = scores[np.arange(len(scores)), np.where((codes >= 0) & (codes < len(task.classes)), codes, 0)]
    return f64


def _greatest_class(task: Task, score: Any) -> str:
    if all(value == value for value in score):
        return task.classes[max(range(len(score)), key=score.__getitem__)]
    return ""


MULTICLASS: Final = TaskKind(
    name="multiclass",
    has_classes=True,
    has_class_scores=True,
    losses=("weight", "brier", "log_loss"),
    shape_scores=_score_of_each_class,
    derive_classes=_greatest_classes,
    score_of_classes=_scores_of_classes,
    derive_class=_greatest_class,
)


REGRESSION: Final = TaskKind(
    name="regression",
    predicts_number=True,
    losses=("weight", "error", "absolute_error", "squared_error", "actual", "squared_actual"),
)


def _score_of_first_item(_task: Task, scores: F64) -> F64:
    return scores[:, :1]


RANKING: Final = TaskKind(name="ranking", ranks_items=True, shape_scores=_score_of_first_item)

UNKNOWN: Final = TaskKind(name="")
"""Task of a model whose kind is not known yet."""

KINDS: Final = MappingProxyType({kind.name: kind for kind in (BINARY, MULTICLASS, REGRESSION, RANKING)})

T_co = TypeVar("T_co", covariant=True)


class PerKind(NamedTuple, Generic[T_co]):
    """One value per kind of task. Code with a missing kind fails the type check.

    >>> score = PerKind(binary="probability", multiclass="", regression="value", ranking="", unknown="")
    >>> score.of(Task("regression"))
    'value'
    """

    binary: T_co
    multiclass: T_co
    regression: T_co
    ranking: T_co
    unknown: T_co

    def of(self, task: Task) -> T_co:
        """Return the value for the kind of a task."""
        answer: T_co = getattr(self, task.of_kind.name or "unknown")
        return answer
