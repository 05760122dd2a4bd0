"""What the columns of rows are taken for, and questions about columns that could be the outcome.

A column of outcomes that is taken for a feature hides all performance, and drifts or is missing in new rows. So it is
never a feature silently: the caller names it, or states that the rows have no outcomes.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.outcome_columns import possible_outcomes
from driftline.panes.bins import CategoryBins
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
    for name, why in possible_outcomes(sample.features, sample.scores, sample.task, sample.predicted):
        raise _question(path, name, why)


def ask_about_missing_outcomes(baseline: Baseline, names: Collection[str], path: str) -> None:
    """Raise BadInput if a binary feature of a baseline without outcomes is missing in the new rows ``names``."""
    if baseline.columns.get("actual") or not baseline.task.kind:
        return
    for name in baseline.bins.features:
        counts = baseline.pane.parts.get(f"feature:{name}")
        if baseline.raw_name(name) not in names and counts is not None and np.count_nonzero(counts[:-2]) == 2:
            raise _question(path, name, "it has two values, and the new rows lack it")


def _question(path: str, name: str, why: str) -> BadInput:
    return BadInput(
        f"{path}: is '{name}' the outcome ({why})? If so, name it with {option_text('actual', name)}; if the rows have "
        f"no outcomes, use {option_text('actual', NO_OUTCOMES)}, and it is a feature"
    )


def _names(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) and value else tuple(value)
