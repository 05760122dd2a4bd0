"""Every kind of task answers everything that is asked of a task.

A new kind needs a field in :class:`PerKind`, and so a sample here: the type checker asks for both.
"""

from __future__ import annotations

import pickle
from collections import Counter
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.capture.model_identity import Identity
from driftline.outputs import output as outputs
from driftline.outputs.row_result import readers
from driftline.panes.outcome_sums import fold_outcomes, widths
from driftline.tables.classes import resolve_task
from driftline.tables.performance_columns import decide
from driftline.tables.row_losses import losses_of_rows
from driftline.tables.table import F64, Column
from driftline.tables.task import KINDS, PerKind, Task
from driftline_processor.config.model import Model
from driftline_processor.core.concept.losses import kind_of
from driftline_processor.core.decode.attributes import task_of
from driftline_processor.core.decode.outputs import ScoreColumns, scores_of
from driftline_processor.core.labels.sampling import uncertainty
from driftline_processor.core.metrics import METRICS, metrics_of_task, misnamed
from driftline_processor.core.outcomes.resolution import (
    impossible_actual_reason,
    impossible_actuals,
    possible_actuals_text,
)
from driftline_processor.core.outcomes.sums import losses
from driftline_processor.core.performance.realized import realized
from driftline_processor.core.versions.losses import losses_of

from tests.support.unwrap import unwrap


@dataclass
class Sample:
    """Four predictions of a kind of task, their outcomes, and an outcome that can be none."""

    task: Task
    scores: F64
    actual: Column
    impossible: str
    decided: tuple[str, ...] = ("", "", "", "")


def texts(*values: str) -> Column:
    labels = tuple(dict.fromkeys(values))
    return Column(codes=np.array([labels.index(value) for value in values], np.int32), categories=labels)


def numbers(*values: float) -> Column:
    return Column(numbers=np.array(values))


SAMPLES = PerKind(
    binary=Sample(
        Task("binary", ("no", "yes"), "yes", 0.4),
        np.array([[0.9], [0.4], [0.2], [0.1]]),
        texts("yes", "no", "yes", "no"),
        "maybe",
        ("yes", "yes", "no", "no"),
    ),
    multiclass=Sample(
        Task("multiclass", ("a", "b", "c")),
        np.array([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8], [0.6, 0.4, 0.0]]),
        texts("a", "b", "c", "b"),
        "d",
        ("a", "b", "c", "a"),
    ),
    regression=Sample(Task("regression"), np.array([[1.0], [2.0], [3.0], [4.0]]), numbers(1.5, 2, 2, 4), "many"),
    ranking=Sample(Task("ranking"), np.array([[0.9], [0.8], [0.7], [0.6]]), numbers(1, 0, 1, 0), "often"),
    unknown=Sample(Task(), np.zeros((4, 1)), texts("a", "b", "a", "b"), ""),
)

KNOWN = [pytest.param(SAMPLES.of(Task(kind)), id=kind) for kind in KINDS]
ALL = [*KNOWN, pytest.param(SAMPLES.unknown, id="unknown")]


def test_there_is_an_answer_for_each_kind() -> None:
    assert PerKind._fields == (*KINDS, "unknown")
    assert [SAMPLES.of(Task(kind)).task.kind for kind in KINDS] == list(KINDS)


def test_the_configuration_has_each_kind() -> None:
    annotation: Any = Model.model_fields["task"].annotation
    assert get_args(get_args(annotation)[0]) == tuple(KINDS)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_is_of_one_sort(kind: Any) -> None:
    """A prediction is a class, a number or a list; only classes have a threshold, or a score each."""
    assert [kind.has_classes, kind.predicts_number, kind.ranks_items].count(True) == 1
    assert [kind.has_threshold, kind.has_class_scores].count(True) == (1 if kind.has_classes else 0)


@pytest.mark.parametrize("sample", ALL)
def test_a_task_is_what_it_was_when_it_comes_back(sample: Sample) -> None:
    again = pickle.loads(pickle.dumps(sample.task))
    assert (again, hash(again), repr(again)) == (sample.task, hash(sample.task), repr(sample.task))
    assert repr(Task()) == ("Task(kind='', classes=(), positive_class='', threshold=0.5, cutoffs=(), quantiles=())")


@pytest.mark.parametrize("sample", KNOWN)
def test_a_model_of_a_kind_can_be_declared_sent_and_configured(sample: Sample) -> None:
    task = sample.task
    said: dict[str, Any] = {"classes": task.classes or None, "positive_class": task.positive_class or None}
    assert resolve_task(task.kind, **said, threshold=task.threshold) == task
    assert task_of(task.kind, task.classes, task.positive_class, task.threshold) == task
    written = {key: value for key, value in said.items() if value is not None}
    assert Model.model_validate({"task": task.kind, **written}).task == task.kind


@pytest.mark.parametrize("sample", KNOWN)
def test_scores_arrive_as_they_were_sent(sample: Sample) -> None:
    task, scores = sample.task, sample.scores
    name = Identity("m", task=task).score_attribute
    assert name
    given = ScoreColumns(
        scores[:, 0] if name.endswith(".score") else None,
        scores if name.endswith(".scores") else None,
        scores[:, 0] if name.endswith(".value") else None,
    )
    kind, read = scores_of(task, given, Counter())
    assert kind == task.kind
    assert read is not None
    assert read.tolist() == scores.tolist()


@pytest.mark.parametrize("sample", ALL)
def test_one_row_is_decided_as_many_are(sample: Sample) -> None:
    task, scores = sample.task, sample.scores
    decided = [task.classes[code] if code >= 0 else "" for code in decide(task, scores, None).tolist()]
    single = [task.derive_class(tuple(row) if task.has_several_scores else row[0]) for row in scores.tolist()]
    assert decided == single == list(sample.decided)


@pytest.mark.parametrize("sample", KNOWN)
def test_one_result_is_read_as_many_are(sample: Sample) -> None:
    """Results of lists have a reader of their own (:mod:`driftline.outputs.rankings`)."""
    task, row = sample.task, sample.scores[:1]
    if task.ranks_items:
        assert readers(task) == {}
        return
    whole = outputs.read(task, row.copy(), 1, one_row=True)
    answer = unwrap(readers(task)[np.ndarray](row))
    assert np.reshape(answer[0], (1, -1)).tolist() == unwrap(whole.scores).tolist() == row.tolist()


@pytest.mark.parametrize("sample", ALL)
def test_outcomes_are_folded_into_the_parts_that_are_declared(sample: Sample) -> None:
    task = sample.task
    parts = fold_outcomes(task, sample.scores, None, sample.actual, np.array([1.0, 2.0, 1.0, 1.0])).parts
    lengths = {name: len(part) for name, part in parts.items()}
    assert lengths.items() <= widths(task).items()
    if task.losses:
        summed = unwrap(losses(fold_outcomes(task, sample.scores, None, sample.actual), task))
        assert (tuple(summed), summed["weight"]) == (task.losses, 4)


@pytest.mark.parametrize("sample", KNOWN)
def test_a_kind_has_metrics_and_a_value_of_some(sample: Sample) -> None:
    task = sample.task
    pane = fold_outcomes(task, sample.scores, None, sample.actual)
    found = realized(pane, task)
    assert any(task.kind in metric.tasks for metric in METRICS.values())
    assert any(metric.value is not None for metric in found.values())
    assert {misnamed(name, task.kind) for name in metrics_of_task(task)} <= {""}


@pytest.mark.parametrize("sample", KNOWN)
def test_an_impossible_outcome_is_found_counted_and_named(sample: Sample) -> None:
    assert impossible_actuals(sample.actual, sample.task).tolist() == [False] * 4
    assert impossible_actuals(texts(sample.impossible), sample.task).tolist() == [True]
    assert impossible_actual_reason(sample.task)
    assert possible_actuals_text(sample.task)


@pytest.mark.parametrize("sample", ALL)
def test_rows_have_an_error_where_the_kind_has_losses(sample: Sample) -> None:
    task = sample.task
    errors = losses_of_rows(task, sample.scores, None, sample.actual)
    assert np.isfinite(errors).all() == bool(task.losses) == (kind_of(task) is not None) == bool(losses_of(task))
    unsure = uncertainty(task, sample.scores)
    assert (unsure is not None) == task.has_classes
    assert unsure is None or ((unsure >= 0) & (unsure <= 1)).all()


@pytest.mark.parametrize("sample", KNOWN)
def test_a_baseline_remembers_its_task(sample: Sample) -> None:
    task = sample.task
    of_kind: dict[str, Any] = {"classes": task.classes or None, "positive_class": task.positive_class or None}
    if task.ranks_items:
        of_kind |= {"predicted": [["a", "b"]] * 40}
    score = np.repeat(sample.scores, 10, axis=0)
    built = Baseline.from_frame(
        {"x": np.arange(40.0)},
        score=score if score.shape[1] > 1 else score[:, 0],
        model="m",
        task=task.kind,
        threshold=task.threshold,
        **of_kind,
    )
    assert built.task == task
    assert Baseline.from_json(built.to_json()).task == task
