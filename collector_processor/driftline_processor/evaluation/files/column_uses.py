"""What the columns of rows are taken for, and questions about columns that could be the outcome.

A column of outcomes that is taken for a feature hides all performance, and drifts or is missing in new rows. So it is
never a feature silently: the caller names it, or states that the rows have no outcomes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.outcome_columns import is_outcome_name, possible_outcomes
from driftline.panes.bins import CategoryBins, NumberBins
from driftline.tables.table import PredictionTable
from msgspec import Struct

from driftline_processor.core.nearest_names import listed
from driftline_processor.readers.column_options import NO_OUTCOMES
from driftline_processor.readers.column_roles import Roles
from driftline_processor.readers.errors import BadInput, option_text


class ColumnUses(Struct, frozen=True):
    """What the columns are taken for.

    Attributes:
        score: The score columns.
        predicted: The predicted class or value; "" without one.
        actual: The outcome; "" without one.
        outcomes: True if the outcomes are not in the rows, but in rows of their own.
        time: The time of the prediction; "" without one.
        id: The id of the prediction; "" without one.
        slices: The columns of slices.
        numbers: The features that are compared as quantities.
        categories: The features that are compared as categories.
        texts: The features that are compared as texts.
        not_compared: Column → "identifier" or "time", for columns of the baseline that are not compared.
        left_out: All other columns.
    """

    score: tuple[str, ...] = ()
    predicted: str = ""
    actual: str = ""
    outcomes: bool = False
    time: str = ""
    id: str = ""
    slices: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    not_compared: dict[str, str] = {}
    left_out: tuple[str, ...] = ()


def column_uses(roles: Roles, baseline: Baseline, names: Collection[str] = (), outcomes: bool = False) -> ColumnUses:
    """Return what columns are taken for.

    Args:
        roles: Their roles.
        baseline: The baseline with the bins of the features.
        names: All columns of the rows.
        outcomes: Whether there are rows of outcomes.
    """
    marks = {} if baseline.extras.marks is None else dict(baseline.extras.marks.by_feature)
    bins = {name: over for name, over in baseline.bins.features.items() if name not in marks}
    raw = {name: baseline.raw_name(name) for name in bins}
    features = [name for name in bins if raw[name] not in baseline.texts]
    used = {*roles.score, roles.predicted, roles.actual, roles.time, roles.id, roles.items, roles.version}
    used |= {roles.latency, roles.error, roles.cluster, *roles.slices, *raw.values(), *baseline.texts, *marks}
    return ColumnUses(
        score=roles.score,
        predicted=roles.predicted,
        actual=roles.actual,
        outcomes=outcomes,
        time=roles.time,
        id=roles.id,
        slices=roles.slices,
        numbers=tuple(name for name in features if not isinstance(bins[name], CategoryBins)),
        categories=tuple(name for name in features if isinstance(bins[name], CategoryBins)),
        texts=tuple(baseline.texts),
        not_compared=marks,
        left_out=tuple(name for name in names if name not in used),
    )


def column_uses_sentence(uses: ColumnUses) -> str:
    """Return what the columns are taken for, on one line.

    >>> column_uses_sentence(ColumnUses(score=("p",), actual="late", numbers=("temp",), categories=("dest", "agent")))
    'columns: score = p; actual = late; no time; no id; numbers = temp; categories = dest, agent'
    """
    parts = [
        f"{role.replace('_', ' ')} = {listed(columns, 8)}"
        for role, value in (
            ("score", uses.score),
            ("predicted", uses.predicted),
            ("actual", uses.actual),
            ("actual", "rows of outcomes" if uses.outcomes else ""),
        )
        if (columns := _names(value))
    ]
    if not (uses.score or uses.predicted):
        parts.append("no score")
    parts += [] if uses.actual or uses.outcomes else ["no outcome"]
    parts += [f"{role} = {name}" if name else f"no {role}" for role, name in (("time", uses.time), ("id", uses.id))]
    marked = [f"{name} ({kind})" for name, kind in uses.not_compared.items()]
    others = {"slices": uses.slices, "numbers": uses.numbers, "categories": uses.categories, "texts": uses.texts}
    others |= {"left out": (*marked, *uses.left_out)}
    parts += [f"{role} = {listed(columns, 8)}" for role, columns in others.items() if columns]
    return f"columns: {'; '.join(parts)}"


def ask_about_outcomes(sample: PredictionTable, roles: Roles, path: str) -> None:
    """Raise BadInput if a feature could be the outcome of reference rows without outcomes."""
    if roles.actual:
        return
    found = possible_outcomes(sample.features, sample.scores, sample.task, sample.predicted)
    if found:
        raise _question(path, *found[0], [name for name, _ in found[1:4]])


def ask_about_missing_outcomes(baseline: Baseline, names: Collection[str], path: str) -> None:
    """Raise BadInput if a feature of a baseline without outcomes could be the outcome and the new rows lack it."""
    if baseline.columns.get("actual") or not baseline.task.kind:
        return
    missing = [name for name in baseline.bins.features if baseline.raw_name(name) not in names]
    found = [name for name in missing if is_outcome_name(name)]
    found += [name for name in missing if name not in found and _like_outcomes(baseline, name)]
    if found:
        why = "its name is that of an outcome" if is_outcome_name(found[0]) else _LIKE[baseline.task.kind]
        raise _question(path, found[0], f"{why}, and the new rows lack it", found[1:4])


def ask_about_classes(scores: Sequence[str], classes: Sequence[str], path: str) -> None:
    """Raise BadInput if the names of the score columns contain the classes in another order than that of the classes.

    Each score is that of the class at its position, so that a model with other pairs looks as if it had no skill.
    """
    names = [name.casefold() for name in scores]
    named = [
        max((c for c in classes if name.endswith(c.casefold()) or name.startswith(c.casefold())), key=len, default="")
        for name in names
    ]
    if sorted(named) == sorted(classes) and named != [*classes] and len(classes) > 2:
        in_order = [score for _, score in sorted(zip(map(classes.index, named), scores, strict=True))]
        raise BadInput(
            f"{path}: {listed([*scores])} would be the scores of the classes {listed([*classes])}, in this order, but "
            f"their names contain the classes in another order; use {option_text('score', ','.join(in_order))}, or, if "
            f"the names mislead, {option_text('classes', ','.join(classes))}"
        )


_LIKE = {
    "binary": "it has two values",
    "multiclass": "its values are classes",
    "regression": "its values are like the predicted ones",
    "ranking": "its values are like the items",
}


def _like_outcomes(baseline: Baseline, name: str) -> bool:
    """Return True if the values of a feature are like outcomes of the task."""
    task, over, predicted = baseline.task, baseline.bins.features[name], baseline.bins.score
    if task.has_threshold:
        counts = baseline.pane.parts.get(f"feature:{name}")
        return counts is not None and np.count_nonzero(counts[:-2]) == 2
    if isinstance(over, CategoryBins):
        return not task.predicts_number and {*over.categories} <= {*task.classes} and len(over.categories) > 1
    if (
        not task.predicts_number
        or not isinstance(predicted, NumberBins)
        or min(map(len, (over.edges, predicted.edges))) < 3
    ):
        return False
    # the inner half of the values, which outliers do not change
    (low, middle, high), (below, center, above) = (
        np.quantile(bins.edges, (0.25, 0.5, 0.75)) for bins in (over, predicted)
    )
    return bool(low <= center <= high and below <= middle <= above)


def _question(path: str, name: str, why: str, others: Sequence[str] = ()) -> BadInput:
    also = f" (or {listed(list(others))})" if others else ""
    return BadInput(
        f"{path}: is '{name}' the outcome ({why})? If so, name it with {option_text('actual', name)}{also}; if the "
        f"rows have no outcomes, use {option_text('actual', NO_OUTCOMES)}, and it is a feature"
    )


def _names(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) and value else tuple(value)
