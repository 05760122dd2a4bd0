"""Build a baseline from reference rows: choose the bins, then fold the same rows over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .baseline_json import Columns
from .bins import CategoryBins, bins_for, number_bins
from .classes import class_codes, resolve_task, seen_classes
from .descriptors import described, looks_like_texts, vocabulary_of, without_texts
from .fold import ModelBins, fold, fold_outcomes, target_score
from .frames import ArrayLike, FrameLike, column_of, columns_of, concatenate, is_time, score_matrix
from .pane import Pane, merge
from .rankings import first_of
from .tables import CLASSLESS, F64, Column, ModelKey, PredictionTable, Task, Text, length, numbers_of
from .vocabulary import Vocabulary

ROLES = ("score", "predicted", "actual", "time", "id")


def choose_bins(tables: Sequence[PredictionTable], task: Task) -> ModelBins:
    """Choose the bins of every feature, of the score and of the predicted class from reference rows."""
    names = dict.fromkeys(name for table in tables for name in table.features)
    features = {
        name: bins_for(concatenate([table.features[name] for table in tables if name in table.features]))
        for name in names
    }
    scores = [target_score(table.task, table.scores) for table in tables if table.scores is not None]
    return ModelBins(
        features=features,
        score=number_bins(np.concatenate(scores)) if scores else None,
        classes=CategoryBins(task.classes) if task.classes else None,
    )


def fold_reference(
    tables: Sequence[PredictionTable], actual: Sequence[Column | None], bins: ModelBins, task: Task
) -> Pane:
    """Fold reference rows, and their truth where it is known, into one pane. More rows than memory: merge the panes."""
    panes = [fold(table, bins) for table in tables]
    panes += [
        fold_outcomes(task, table.scores, table.predicted, truth, table.weight)
        for table, truth in zip(tables, actual, strict=True)
        if truth is not None
    ]
    return merge(panes)


def table_from_frame(
    X: FrameLike,
    *,
    score: ArrayLike | None = None,
    predicted: ArrayLike | None = None,
    actual: ArrayLike | None = None,
    time: ArrayLike | None = None,
    id: ArrayLike | None = None,
    model: str,
    task: str,
    version: str = "",
    classes: Sequence[object] | None = None,
    positive_class: object = None,
    threshold: float = 0.5,
    features: Sequence[str] | None = None,
    text_features: Sequence[str] | None = None,
) -> tuple[PredictionTable, Column | None, Columns, dict[str, Vocabulary]]:
    """Read reference rows into a table, their actual values, the columns they came from, and the texts' vocabularies.

    The arguments are those of :meth:`driftline.Baseline.from_frame`, and so are the errors.
    """
    frame = columns_of(X, features if isinstance(X, np.ndarray) and X.dtype.names is None else None)
    given = {"score": score, "predicted": predicted, "actual": actual, "time": time, "id": id}
    columns: Columns = {role: name for role in ROLES if (name := _named(role, given[role], frame)) is not None}
    taken = {name for named in columns.values() for name in ([named] if isinstance(named, str) else named)}
    if features is None:
        chosen = [name for name in frame if name not in taken and not is_time(frame[name])]
    else:
        chosen = list(features)
    for name in chosen:
        if name not in frame:
            raise ValueError(f"features: {_no_column(name, frame)}")
    columns["features"] = chosen

    ranking = task == "ranking"
    scores = _scores(score, columns.get("score"), frame, ranking=ranking)
    decided = None if ranking else _column(predicted, columns.get("predicted"), frame)
    truth = _column(actual, columns.get("actual"), frame)
    if task == "regression" and scores is None and decided is not None:
        scores = numbers_of(decided)[:, np.newaxis]  # a regression predicts its value
    if scores is not None and len(scores) and np.isnan(scores).all():
        raise ValueError("score holds no number at all; pass the model's scores, and its classes as predicted=")
    if scores is None and decided is None and not (ranking and predicted is not None):
        raise ValueError("there is neither a score nor a predicted class; pass score= or predicted=")
    read = {name: column_of(frame[name]) for name in chosen}
    for name in text_features or ():
        if name not in read:
            raise ValueError(f"text_features: {_no_column(name, read)}")
    texts = [name for name in read if looks_like_texts(read[name])] if text_features is None else text_features
    vocabularies = {name: vocabulary_of(read[name]) for name in texts}
    read = {name: column if name in vocabularies else without_texts(column)[0] for name, column in read.items()}
    parts = [*read.items(), ("predicted", decided), ("actual", truth)]
    rows = [(length(column), name) for name, column in parts if column is not None]
    n = _agreed(rows if scores is None else [*rows, (len(scores), "score")])
    resolved = resolve_task(
        task,
        classes=classes,
        positive_class=positive_class,
        threshold=threshold,
        seen=[column for column in (truth, decided) if column is not None],
        score_columns=0 if scores is None else scores.shape[1],
    )
    if truth is not None and resolved.classes:
        _refuse_unknown_classes(truth, resolved)
    table = PredictionTable(
        key=ModelKey(model, version),
        task=resolved,
        time=np.zeros(n, dtype=np.int64),
        id=Text(np.zeros(n + 1, dtype=np.int32), b""),
        scores=None if scores is None else scores_for(resolved, scores),
        predicted=None if resolved.kind in CLASSLESS else decided,
        features=described(read, vocabularies),
    )
    return table, truth, columns, vocabularies


def scores_for(task: Task, scores: F64) -> F64:
    """Return scores as a table holds them, from (n, k) in the order of ``task.classes``.

    Binary (n, 2) becomes (n, 1), the positive class; of a ranking's k items the first counts. Raises ``ValueError``
    when the number of columns does not fit.

    >>> scores_for(Task("binary", ("0", "1"), "1"), np.array([[0.9, 0.1]]))
    array([[0.1]])
    """
    k = scores.shape[1]
    if task.kind == "ranking":
        return scores[:, :1]
    if task.kind == "binary" and k == 2:
        at = task.classes.index(task.positive_class)
        return scores[:, at : at + 1]
    wanted = len(task.classes) if task.kind == "multiclass" else 1
    if k != wanted:
        raise ValueError(f"there are {k} score columns; a {task.kind} model has {wanted}")
    return scores


def _named(role: str, given: ArrayLike | None, frame: Mapping[str, ArrayLike]) -> str | list[str] | None:
    """The column name or names an argument stands for; None when it is an array or nothing."""
    if isinstance(given, str):
        if given not in frame:
            raise ValueError(f"{role}: {_no_column(given, frame)}")
        return given
    if role == "score" and isinstance(given, list | tuple) and given and all(isinstance(name, str) for name in given):
        for name in given:
            if name not in frame:
                raise ValueError(f"{role}: {_no_column(name, frame)}")
        return list(given)
    return None


def _column(given: ArrayLike | None, named: str | list[str] | None, frame: Mapping[str, ArrayLike]) -> Column | None:
    if isinstance(named, str):
        return column_of(frame[named])
    return None if given is None else column_of(given)


def _scores(
    given: ArrayLike | None, named: str | list[str] | None, frame: Mapping[str, ArrayLike], *, ranking: bool = False
) -> F64 | None:
    if ranking and not isinstance(named, list):
        values = given if named is None else frame[named]
        return None if values is None else first_of(values)
    if named is not None:
        return np.column_stack(
            [numbers_of(column_of(frame[name])) for name in ([named] if isinstance(named, str) else named)]
        )
    return None if given is None else score_matrix(given)


def _agreed(rows: Sequence[tuple[int, str]]) -> int:
    (fewest, one), (most, another) = min(rows), max(rows)
    if fewest != most:
        raise ValueError(f"columns have different lengths: {one} has {fewest} rows and {another} has {most}")
    if most == 0:
        raise ValueError("there are no rows; a baseline needs reference rows")
    return most


def _refuse_unknown_classes(truth: Column, task: Task) -> None:
    codes = class_codes(truth, task.classes)
    if codes is not None and (codes == len(task.classes)).any():
        strange = [text for text in seen_classes([truth]) if text not in task.classes]
        raise ValueError(f"actual has values that are no classes: {_few(strange)}; the classes are {task.classes}")


def _no_column(name: str, frame: Mapping[str, ArrayLike]) -> str:
    return f"there is no column {name!r}; the columns are {_few(list(frame))}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
