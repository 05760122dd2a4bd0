"""The positive class in the words of its owner: "late" rather than "positive"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from driftline.tables.task import Task

POSITIVE = "positive"
"""The word where the owner has none."""

NUMERALS = frozenset({"1", "1.0", "true", "yes", "y", "t", POSITIVE, "pos"})
"""Classes that say nothing by themselves; the column of the outcomes says of what they are."""

ROLES = frozenset({"actual", "class", "ground_truth", "label", "outcome", "response", "target", "truth", "y", "y_true"})
"""Columns of outcomes that are named by their role, and say nothing either."""


def positive_words(task: Task | None, columns: Mapping[str, str | Sequence[str]]) -> str:
    """Return what a row of the positive class is, in a few words; "" where the task has none, or nobody named it.

    Args:
        task: What the model predicts.
        columns: Names of columns by role, as a baseline knows them.

    >>> positive_words(Task("binary", ("bad", "good"), "good"), {})
    'good'
    >>> positive_words(Task("binary", ("0", "1"), "1"), {"actual": "is_late"})
    'late'
    >>> positive_words(Task("binary", ("0", "1"), "1"), {"actual": "y"})
    ''
    """
    if task is None or not task.has_threshold or not task.positive_class:
        return ""
    name = task.positive_class
    if name.lower() in NUMERALS:
        column = columns.get("actual")
        if not isinstance(column, str) or column.lower() in ROLES:
            return ""
        name = re.sub(r"^(is|was|has)_", "", column)
    name = re.sub(r"[\s_]+", " ", name).strip()
    # 3: words of a name that a sentence has room for
    return name if 0 < len(name.split()) <= 3 and not _is_number(name) else ""


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True
