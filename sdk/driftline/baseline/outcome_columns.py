"""Features of reference rows without outcomes that could be their outcome."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np

from driftline.tables.table import F64, Column, is_present, length
from driftline.tables.task import Task

_OUTCOME_NAME = re.compile(r"actuals?|outcomes?|(class|true)?labels?|targets?|y(true|test)?|groundtruth|truth")
"""Names of outcomes, in lower case without marks."""

_SKILL = 0.01
"""Minimum part of the variance of a column of 0 and 1 that its score explains, so that it could be the outcome."""

_FEWEST = 100


def is_outcome_name(name: str) -> bool:
    """Return whether outcomes often have this name; case and marks do not matter.

    >>> is_outcome_name("Ground_Truth"), is_outcome_name("is_late")
    (True, False)
    """
    return _OUTCOME_NAME.fullmatch(_plain(name)) is not None


def possible_outcomes(features: Mapping[str, Column], scores: F64 | None, task: Task) -> Iterator[tuple[str, str]]:
    """Yield the features that could be the outcome, each with the reason.

    That is a column with the name of an outcome, or of 0 and 1 that the score of a binary model predicts better than
    their mean does.

    Args:
        features: Name → values of n rows.
        scores: float64 (n, k), in the order of the classes; None without any.
        task: The task of the model.
    """
    for name, column in features.items():
        if is_outcome_name(name) and not (_plain(name) == "y" and {"x", "X"} & {*features}):
            yield name, "its name is that of an outcome"
        elif _is_predicted(column, scores, task):
            yield name, "it is 0 or 1, and the score predicts it"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _is_predicted(column: Column, scores: F64 | None, task: Task) -> bool:
    if not task.has_threshold or scores is None or column.numbers is None or length(column) < _FEWEST:
        return False
    score = task.monitored_score(scores)
    known = is_present(column) & np.isfinite(score)
    values, score = column.numbers[known], score[known]
    if len(values) < _FEWEST or not np.isin(values, (0.0, 1.0)).all() or np.ptp(values) == 0:
        return False
    return float(np.mean((values - score) ** 2)) < (1 - _SKILL) * float(values.var())
