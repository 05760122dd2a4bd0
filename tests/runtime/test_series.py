"""What a model predicts: the configuration's word, else the sender's, else the baseline's, else what is seen."""

from __future__ import annotations

import pytest
from driftline.tables import PredictionTable, Task
from driftline_processor.runtime.config import Model
from driftline_processor.runtime.series import resolve

from .state_rows import BINARY, predictions

UNSAID = Task()
FRUIT = Task("multiclass", ("apple", "pear", "plum"))


@pytest.mark.parametrize(
    ("settings", "table", "baseline", "before", "expected"),
    [
        (Model(), predictions(["a"], scores=[0.5]), None, UNSAID, (BINARY, True)),
        (Model(), predictions(["a"], scores=[0.5], task=UNSAID), None, UNSAID, (BINARY, False)),
        (
            Model(),
            predictions(["a"], predicted=["yes"], task=UNSAID),
            None,
            UNSAID,
            (Task("multiclass", ("yes",)), False),
        ),
        (
            Model(),
            predictions(["a"], predicted=["no"], task=UNSAID),
            None,
            Task("multiclass", ("yes",)),
            (Task("multiclass", ("yes", "no")), False),
        ),
        (
            Model(),
            predictions(["a"], scores=[0.5], predicted=["yes"], task=Task("binary")),
            None,
            Task("binary", ("no",)),
            (Task("binary", ("no", "yes")), False),
        ),
        (
            Model(),
            predictions(["a"], scores=[0.5], task=UNSAID),
            Task("regression"),
            UNSAID,
            (Task("regression"), True),
        ),
        (Model(), predictions(["a"], scores=[[0.2, 0.3, 0.5]], task=UNSAID), FRUIT, UNSAID, (FRUIT, True)),
        (
            Model(task="binary", classes=("stays", "goes"), positive_class="goes", threshold=0.3),
            predictions(["a"]),
            None,
            UNSAID,
            (Task("binary", ("stays", "goes"), "goes", 0.3), True),
        ),
        (
            Model(classes=("plum", "pear", "apple")),
            predictions(["a"], scores=[[0.2, 0.3, 0.5]], task=FRUIT),
            None,
            UNSAID,
            (FRUIT, True),
        ),
        (Model(), predictions(["a"], task=UNSAID), None, Task("regression"), (Task("regression"), True)),
    ],
)
def test_a_task_is_completed(
    settings: Model, table: PredictionTable, baseline: Task | None, before: Task, expected: tuple[Task, bool]
) -> None:
    assert resolve(settings, table, baseline, before, declared=False) == expected


def test_classes_somebody_declared_are_not_extended_by_what_is_seen() -> None:
    table = predictions(["a"], predicted=["cherry"], task=Task("multiclass"))
    assert resolve(Model(), table, None, FRUIT, declared=True) == (FRUIT, True)
