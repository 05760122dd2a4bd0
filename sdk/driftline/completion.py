"""What a model was not told of its task, learned from what predicts, such as a fitted estimator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .classes import class_text, resolve_task
from .tables import Task


def completed(
    name: str, given: dict[str, Any], task: str, classes: Sequence[object] | int | None, positive_class: object
) -> tuple[dict[str, Any], Task]:
    """Return what a model was given, completed, and the task that it has then.

    ``given``: ``task``, ``classes``, ``positive_class`` and ``threshold`` as the model was told, empty or None where it
    was not. ``classes``: in any order, or how many there are. Raises ``ValueError``, with the fix, for another task and
    for other classes than it was told.

    >>> given = {"task": "regression", "classes": None, "positive_class": None, "threshold": None}
    >>> completed("churn", given, "binary", (0, 1), None)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: churn is a regression model, but what predicts is binary; say driftline.Model('churn', task='binary')
    """
    if given["task"] and given["task"] != task:
        raise ValueError(
            f"{name} is a {given['task']} model, but what predicts is {task}; "
            f"say driftline.Model({name!r}, task={task!r})"
        )
    told = given["classes"]
    if isinstance(classes, int):
        if told is not None and len(told) != classes:
            raise ValueError(
                f"{name} has {len(told)} classes, but what predicts has {classes}; name them all: classes=..."
            )
        classes = range(classes) if told is None else told
    if told is not None and classes is not None and {*map(class_text, told)} != {*map(class_text, classes)}:
        raise ValueError(
            f"the classes of {name} are {tuple(map(class_text, told))}, but those of what predicts are "
            f"{tuple(map(class_text, classes))}; leave classes=... out to take them from there"
        )
    said: dict[str, Any] = {
        "task": task,
        "classes": classes if told is None else told,
        "positive_class": positive_class if given["positive_class"] is None else given["positive_class"],
        "threshold": 0.5 if given["threshold"] is None else given["threshold"],
    }
    known = resolve_task(
        task,
        classes=said["classes"],
        positive_class=said["positive_class"],
        threshold=said["threshold"],
        quantiles=given.get("quantiles"),
    )
    return {**given, **said}, known
