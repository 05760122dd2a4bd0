"""Words for why two versions cannot be compared."""

from __future__ import annotations

from collections.abc import Mapping

from .catalogue import words_of
from .outcomes import unreviewed_words


@words_of("tasks_differ")
def _tasks_differ(champion: str, challenger: str) -> str:
    return f"one is {champion or 'of no task yet'}, the other {challenger or 'of no task yet'}"


@words_of("task_not_compared")
def _task_not_compared(task: str) -> str:
    return f"versions of a {task or 'model whose task is unknown'} are not compared"


@words_of("version_unreviewed")
def _version_unreviewed(version: str, predictions: Mapping[str, int]) -> str:
    return f"{unreviewed_words(predictions)} (version {version or 'without a name'})"


@words_of("version_without_outcomes")
def _version_without_outcomes(version: str) -> str:
    return f"no outcome of version {version or 'without a name'} is known in this time"


@words_of("no_request_of_both")
def _no_request_of_both() -> str:
    return "no request that both scored has an outcome yet"


@words_of("no_hour_of_both")
def _no_hour_of_both() -> str:
    return "in no hour the outcomes of both are known"
