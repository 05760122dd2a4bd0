"""The task of a model, and the kinds of task.

A kind is one object, a :class:`TaskKind` of :data:`KINDS`. Whoever adds a kind writes that object here and gives
:class:`PerKind` a field. The type checker then names every room that has to answer for the kind.
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
"""Scores of one row whose sum is farther from 1 are no probabilities and have no log loss."""


@dataclass(frozen=True, slots=True)
class Task:
    """The task of a model: its kind, classes and threshold.

    ``kind``: ``"binary"``, ``"multiclass"``, ``"regression"``, ``"ranking"`` or ``""`` while unknown. ``classes``:
    canonical class texts (see :func:`driftline.tables.classes.class_text`), in the order of the score columns.
    ``threshold``: the score of the positive class from which on it is predicted, binary only. ``cutoffs``: the ranks at
    which lists are judged, ranking only; () = :data:`driftline.panes.relevance.CUTOFFS`. ``quantiles``: of a regression
    that predicts several, their levels, increasing, in the order of the score columns.

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
        """Return what all tasks of this kind have in common."""
        return KINDS.get(self.kind, UNKNOWN)

    @property
    def has_classes(self) -> bool:
        """Return True where a prediction decides for a class, and an outcome is a class; False for an unknown kind."""
        return self.of_kind.has_classes

    @property
    def may_have_classes(self) -> bool:
        """Return True where predictions may name a class: for tasks with classes, and an unknown kind."""
        return self.of_kind.has_classes or not self.kind

    @property
    def has_threshold(self) -> bool:
        """Return True where the score is that of a positive class, which a threshold decides for."""
        return self.of_kind.has_threshold

    @property
    def has_class_scores(self) -> bool:
        """Return True where each class has a score, and the greatest decides."""
        return self.of_kind.has_class_scores

    @property
    def predicts_number(self) -> bool:
        """Return True where a prediction is a number, and an outcome is the actual number."""
        return self.of_kind.predicts_number

    @property
    def ranks_items(self) -> bool:
        """Return True where a prediction is a list of items, and an outcome names the relevant ones."""
        return self.of_kind.ranks_items

    @property
    def may_rank_items(self) -> bool:
        """Return True where predictions may be lists of items: for rankings, and an unknown kind."""
        return self.of_kind.ranks_items or not self.kind

    @property
    def losses(self) -> tuple[str, ...]:
        """Return the sums of the part ``losses`` of a pane: the weight, then each loss; () where there is none."""
        return self.of_kind.losses

    @property
    def positive(self) -> int | None:
        """Return the place of the positive class; None where the task has none, or it is not known."""
        has_positive = self.has_threshold and self.positive_class in self.classes
        return self.classes.index(self.positive_class) if has_positive else None

    @property
    def has_several_scores(self) -> bool:
        """Return True where a prediction has several scores: one for each class, or for each declared quantile."""
        return self.has_class_scores or bool(self.quantiles)

    @property
    def score_columns(self) -> int:
        """Return the number of a row's scores, for several: one for each class, or for each declared quantile.

        >>> Task("multiclass", ("a", "b", "c")).score_columns, Task("regression", quantiles=(0.1, 0.9)).score_columns
        (3, 2)
        """
        return len(self.quantiles) if self.predicts_number else len(self.classes)

    def value_column(self, columns: int) -> int:
        """Return the column of a regression that is the value: the level 0.5 of its quantiles, else the middle.

        >>> Task("regression", quantiles=(0.1, 0.5, 0.9)).value_column(3), Task("regression").value_column(1)
        (1, 0)
        """
        if columns < 2 or columns != len(self.quantiles):
            return 0
        return self.quantiles.index(0.5) if 0.5 in self.quantiles else (columns - 1) // 2

    def monitored_score(self, scores: F64) -> F64:
        """Return the one number per row whose distribution is watched: float64 (n,).

        Binary: the score of the positive class; multiclass: the greatest score (confidence); regression: the value, see
        :meth:`value_column`; ranking: the score of the first item.
        """
        if self.has_class_scores and scores.shape[1] > 1:
            return np.asarray(scores.max(axis=1), dtype=np.float64)
        return scores[:, self.value_column(scores.shape[1])]

    def shape_scores(self, scores: F64) -> F64:
        """Return scores as a table holds them, from (n, k) in the order of ``classes``.

        Binary (n, 2) becomes (n, 1), the positive class; of a ranking's k items the first counts; a regression has one
        per declared quantile, or one. Raises ``ValueError`` when the number of columns does not fit.

        >>> Task("binary", ("0", "1"), "1").shape_scores(np.array([[0.9, 0.1]]))
        array([[0.1]])
        """
        shaped = self.of_kind.shape_scores(self, scores)
        if shaped is None:
            width = self.score_columns if self.has_several_scores else 1
            raise ValueError(f"there are {scores.shape[1]} score columns; a {self.kind} model has {width}")
        return shaped

    def are_probabilities(self, scores: F64) -> NDArray[np.bool_]:
        """Return True for rows with probabilities as scores: bool (n,), false where one is NaN.

        Each lies between 0 and 1; where each class has one, they add up to 1.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            probable = (scores.min(axis=1) >= 0) & (scores.max(axis=1) <= 1)
            if self.has_class_scores:
                probable &= np.abs(scores.sum(axis=1) - 1) <= SUM_TOLERANCE
        return np.asarray(probable, np.bool_)

    def derive_classes(self, scores: F64) -> I32:
        """Return the class that the scores of each row decide for: int32 (n,) codes into ``classes``, -1 unknown."""
        derived = self.of_kind.derive_classes(self, scores)
        return np.full(len(scores), -1, dtype=np.int32) if derived is None else derived

    def score_of_classes(self, scores: F64, codes: I32) -> F64 | None:
        """Return the score that each row gave to one class: float64 (n,); None where the scores do not say.

        ``codes``: int32 (n,), the class of each row; the score of a code that is no class means nothing.

        >>> Task("binary", ("0", "1"), "1").score_of_classes(np.array([[0.75], [0.75]]), np.array([1, 0], np.int32))
        array([0.75, 0.25])
        """
        return self.of_kind.score_of_classes(self, scores, codes)

    def derive_class(self, score: Any) -> str:
        """Return the class that the score of one row decides for; "" where there is none.

        ``score``: a float, or one float per class or quantile.

        >>> Task("binary", ("0", "1"), "1").derive_class(0.5), Task("multiclass", ("a", "b")).derive_class((0.4, 0.6))
        ('1', 'b')
        """
        return self.of_kind.derive_class(self, score)


class TaskKind(NamedTuple):
    """What all tasks of a kind have in common.

    Attributes:
        name: The name in Python, in YAML and in telemetry.
        has_classes: Whether a prediction decides for a class, and an outcome is a class.
        has_threshold: Whether there is one score, that of a positive class, and a threshold decides.
        has_class_scores: Whether each class has a score, and the greatest decides.
        predicts_number: Whether a prediction is a number, and an outcome the number that it should have been.
        ranks_items: Whether a prediction is a list of items, and an outcome says which of them were relevant.
        losses: The sums of the part ``losses`` of a pane: the weight, then each loss; () where there is none.
        shape_scores: Scores (n, k) as they were given → as a table holds them; None = k does not fit.
        derive_classes: Scores as a table holds them → int32 (n,), the class of each row; None = they decide nothing.
        score_of_classes: Scores as a table holds them, and a class of each row, int32 (n,) → its score, float64 (n,).
        derive_class: The class of the score of one row, without numpy, for spans: a text, "" = none.
    """

    name: str
    has_classes: bool
    has_threshold: bool
    has_class_scores: bool
    predicts_number: bool
    ranks_items: bool
    losses: tuple[str, ...]
    shape_scores: Callable[[Task, F64], F64 | None]
    derive_classes: Callable[[Task, F64], I32 | None]
    score_of_classes: Callable[[Task, F64, I32], F64 | None]
    derive_class: Callable[[Task, Any], str]


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
    has_class_scores=False,
    predicts_number=False,
    ranks_items=False,
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
    has_threshold=False,
    has_class_scores=True,
    predicts_number=False,
    ranks_items=False,
    losses=("weight", "brier", "log_loss"),
    shape_scores=_score_of_each_class,
    derive_classes=_greatest_classes,
    score_of_classes=_scores_of_classes,
    derive_class=_greatest_class,
)


def _value_or_quantiles(task: Task, scores: F64) -> F64 | None:
    return scores if scores.shape[1] == (len(task.quantiles) or 1) else None


def _no_classes(_task: Task, _scores: F64) -> None:
    return None


def _no_score(_task: Task, _scores: F64, _codes: I32) -> None:
    return None


def _no_class(_task: Task, _score: Any) -> str:
    return ""


REGRESSION: Final = TaskKind(
    name="regression",
    has_classes=False,
    has_threshold=False,
    has_class_scores=False,
    predicts_number=True,
    ranks_items=False,
    losses=("weight", "error", "absolute_error", "squared_error", "actual", "squared_actual"),
    shape_scores=_value_or_quantiles,
    derive_classes=_no_classes,
    score_of_classes=_no_score,
    derive_class=_no_class,
)


def _score_of_first_item(_task: Task, scores: F64) -> F64:
    return scores[:, :1]


RANKING: Final = TaskKind(
    name="ranking",
    has_classes=False,
    has_threshold=False,
    has_class_scores=False,
    predicts_number=False,
    ranks_items=True,
    losses=(),
    shape_scores=_score_of_first_item,
    derive_classes=_no_classes,
    score_of_classes=_no_score,
    derive_class=_no_class,
)

UNKNOWN: Final = TaskKind(
    name="",
    has_classes=False,
    has_threshold=False,
    has_class_scores=False,
    predicts_number=False,
    ranks_items=False,
    losses=(),
    shape_scores=_value_or_quantiles,
    derive_classes=_no_classes,
    score_of_classes=_no_score,
    derive_class=_no_class,
)
"""Task of a model before anybody has named its kind."""

KINDS: Final = MappingProxyType({kind.name: kind for kind in (BINARY, MULTICLASS, REGRESSION, RANKING)})

T_co = TypeVar("T_co", covariant=True)


class PerKind(NamedTuple, Generic[T_co]):
    """What a room answers for each kind of task. Without an answer for one of them it does not type-check.

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
        """Return the answer for the kind of a task."""
        answer: T_co = getattr(self, task.of_kind.name or "unknown")
        return answer
