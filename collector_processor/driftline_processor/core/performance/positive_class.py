"""The name of the positive class for sentences: "late" rather than "positive"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from driftline.baseline.outcome_columns import is_outcome_name
from driftline.tables.task import Task

POSITIVE = "positive"
"""Default name of the positive class."""

NUMERALS = frozenset({"1", "1.0", "true", "yes", "y", "t", POSITIVE, "pos"})
"""Class names without a meaning of their own; the column of the outcomes is used instead."""

ROLES = frozenset({"class", "response"})
"""Generic names of outcome columns, besides those of :func:`is_outcome_name`, which may be features as well."""


def positive_words(task: Task | None, columns: Mapping[str, str | Sequence[str]]) -> str:
    """Return a short name of the positive class; "" if the task has none, or if it has no descriptive name.

    Args:
        task: The task of the model.
        columns: Names of columns by role, from the baseline.

    >>> positive_words(Task("binary", ("bad", "good"), "good"), {})
    'good'
    >>> positive_words(Task("binary", ("0", "1"), "1"), {"actual": "is_late"})
    'late'
    >>> positive_words(Task("binary", ("0", "1"), "1"), {"actual": "true_label"})
    ''
    """
    if task is None or not task.has_threshold or not task.positive_class:
        return ""
    name = task.positive_class
    if name.lower() in NUMERALS:
        column = columns.get("actual")
        if not isinstance(column, str) or is_outcome_name(column) or column.lower() in ROLES:
            return ""
        name = re.sub(r"^(is|was|has)_", "", column)
    name = re.sub(r"[\s_]+", " ", name).strip()
    # 3: maximum words of a name in a sentence
    return name if 0 < len(name.split()) <= 3 and not _is_number(name) else ""


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True
