"""Words for why two versions cannot be compared."""

from __future__ import annotations

from collections.abc import Mapping

from .catalogue import words_of
from .outcomes import unreviewed_words


@words_of("tasks_differ")
def _tasks_differ(champion: str, challenger: str) -> str:
    known = [task for task in (champion, challenger) if task]
    if len(known) == 2:
        return f"one is {champion}, the other {challenger}"
    return (
        f"one is {known[0]}, and the task of the other is not known yet" if known else "their tasks are not known yet"
    )


@words_of("task_not_compared")
def _task_not_compared(task: str) -> str:
    return f"versions of a {task or 'model whose task is unknown'} are not compared"


@words_of("version_unreviewed")
def _version_unreviewed(version: str, predictions: Mapping[str, int]) -> str:
    return f"{unreviewed_words(predictions)} (version {version or 'without a name'})"


@words_of("version_without_outcomes")
def _version_without_outcomes(version: str) -> str:
    return f"no outcome of {f'version {version}' if version else 'the version without a name'} is known in this period"


@words_of("no_request_of_both")
def _no_request_of_both() -> str:
    return "no request scored by both versions has an outcome yet"


@words_of("no_hour_of_both")
def _no_hour_of_both() -> str:
    return "there is no hour in which the outcomes of both versions are known"
