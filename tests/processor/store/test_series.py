"""What a model predicts: the configuration's word, else the sender's, else the baseline's, else what is seen."""

from __future__ import annotations

import pytest
from driftline.tables.table import PredictionTable
from driftline.tables.task import Task
from driftline_processor.config.model import Model
from driftline_processor.store.series import resolve

from tests.support.state_fixtures import Open
from tests.support.state_rows import BINARY, outcomes, predictions

UNSAID = Task()
NAMED = Model(task="binary", classes=("stays", "goes"), positive_class="goes", threshold=0.3)
FRUIT = Task("multiclass", ("apple", "pear", "plum"))


@pytest.mark.parametrize(
    ("settings", "sent", "baseline", "before", "seen", "expected"),
    [
        (Model(), BINARY, None, UNSAID, (), (BINARY, True)),
        (Model(), UNSAID, None, Task("binary"), (), (BINARY, False)),
        (Model(), UNSAID, None, Task("multiclass"), ("yes",), (Task("multiclass", ("yes",)), False)),
        (Model(), UNSAID, None, Task("multiclass", ("a",)), ("b",), (Task("multiclass", ("a", "b")), False)),
        (Model(), Task("binary"), None, Task("binary", ("no",)), ("yes",), (Task("binary", ("no", "yes")), False)),
        (Model(), Task("binary"), None, Task("binary", ("no", "yes")), ("so",), (Task("binary", ("no", "yes")), False)),
        (Model(), UNSAID, Task("regression"), Task("binary"), (), (Task("regression"), True)),
        (Model(), UNSAID, FRUIT, UNSAID, (), (FRUIT, True)),
        (Model(), UNSAID, None, Task("regression"), (), (Task("regression"), True)),
        (NAMED, BINARY, None, UNSAID, (), (Task("binary", ("stays", "goes"), "goes", 0.3), True)),
        (Model(classes=("plum", "pear", "apple")), FRUIT, None, UNSAID, (), (FRUIT, True)),
        (Model(positive_class="0"), BINARY, None, UNSAID, (), (Task("binary", ("0", "1"), "0"), True)),
    ],
)
def test_a_task_is_completed(
    settings: Model,
    sent: Task,
    baseline: Task | None,
    before: Task,
    seen: tuple[str, ...],
    expected: tuple[Task, bool],
) -> None:
    assert resolve(settings, sent, baseline, before, declared=False, seen=seen) == expected


def test_classes_somebody_declared_are_not_extended_by_what_is_seen() -> None:
    assert resolve(Model(), Task("multiclass"), None, FRUIT, declared=True, seen=("cherry",)) == (FRUIT, True)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (predictions(["a"], scores=[0.5], task=UNSAID), BINARY),
        (predictions(["a"], scores=[[0.2, 0.3, 0.5]], task=UNSAID), Task("multiclass")),
        (predictions(["a"], predicted=["yes"], task=UNSAID), Task("multiclass", ("yes",))),
    ],
)
def test_what_nobody_says_is_read_from_the_shape_of_the_rows(
    open_state: Open, table: PredictionTable, expected: Task
) -> None:
    state = open_state()
    state.send(table)
    assert state.view().task == expected
    assert open_state().view().task == expected


@pytest.mark.slow
def test_a_changed_configuration_restates_what_is_known_at_once(open_state: Open) -> None:
    state = open_state()
    state.send(predictions(["a"], scores=[0.9]), outcomes(["a"], [1]))
    assert state.view().windows["1d"][0].realized["brier"].value == pytest.approx(0.01)
    for _ in range(2):
        view = open_state(churn=Model(positive_class="0")).view()
        assert view.task.positive_class == "0"
        assert view.windows["1d"][0].realized["brier"].value == pytest.approx(0.81)
    assert open_state().view().windows["1d"][0].realized["brier"].value == pytest.approx(0.01)
