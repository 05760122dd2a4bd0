"""What a result means is decided by its type, task by task; what cannot be read is said so, with the fix."""

# ruff: noqa: ARG001 - functions that predict the same whatever they are given

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import driftline
import driftline.testing
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from driftline.baseline.baseline import Baseline
from driftline.loss_counters import UNRECORDED
from driftline.outputs.output import read
from driftline.tables.classes import complete_task, quantile_levels
from driftline.tables.table import F64, PredictionTable
from driftline.tables.task import Task

from tests.support.facts import Facts, in_order
from tests.support.service import Service, returns
from tests.support.unwrap import unwrap

BINARY = Task("binary", ("no", "yes"), "yes")
MULTICLASS = Task("multiclass", ("a", "b", "c"))
REGRESSION = Task("regression")


@dataclass
class Answer:
    label: str
    probability: float


def seen(task: Task, result: Any, n: int | None = None) -> Any:
    """Return the scores, else the classes, else what was unread, of one row (n None) or of a batch of n rows."""
    from driftline.outputs.result_copy import copy_result

    output = read(task, copy_result(result), n or 1, one_row=n is None)
    if output.scores is not None:
        return [[None if score != score else score for score in row] for row in output.scores.tolist()]
    if output.predicted is not None and output.predicted.codes is not None:
        return [output.predicted.categories[code] if code >= 0 else None for code in output.predicted.codes.tolist()]
    return unwrap(output.unread).text


def named(value: Any) -> str:
    """Return the id of a parameter; what has an address in its repr is called by its type."""
    text = value.kind if isinstance(value, Task) else repr(value)[:40]
    return type(value).__name__ if " at 0x" in text else text


@pytest.mark.parametrize(
    ("task", "result", "expected"),
    [
        (BINARY, 0.25, [[0.25]]),
        (BINARY, 1.0, [[1.0]]),
        (BINARY, np.float32(0.25), [[0.25]]),
        (BINARY, np.array(0.25), [[0.25]]),
        (BINARY, np.array([0.25]), [[0.25]]),
        (BINARY, np.array([[0.25]]), [[0.25]]),
        (BINARY, np.array([0.75, 0.25]), [[0.25]]),
        (BINARY, np.array([[0.75, 0.25]]), [[0.25]]),
        (BINARY, [0.75, 0.25], [[0.25]]),
        (BINARY, [[0.75, 0.25]], [[0.25]]),
        (BINARY, "yes", ["yes"]),
        (BINARY, np.array(["no"]), ["no"]),
        (BINARY, 1, ["1"]),
        (BINARY, True, ["1"]),
        (BINARY, np.int64(0), ["0"]),
        (BINARY, np.bool_(True), ["1"]),
        (BINARY, np.array([1]), ["1"]),
        (BINARY, None, "None"),
        (BINARY, (0.2, 0.8), "a tuple of 2"),
        (BINARY, {"p": 0.2}, "a dict with keys ['p']"),
        (BINARY, Answer("no", 0.2), "an Answer with fields ['label', 'probability']"),
        (BINARY, np.array([0.1, 0.2, 0.7]), "an array of float64 with shape (3,)"),
        (MULTICLASS, np.array([0.1, 0.2, 0.7]), [[0.1, 0.2, 0.7]]),
        (MULTICLASS, [0.1, 0.2, 0.7], [[0.1, 0.2, 0.7]]),
        (MULTICLASS, [0.6, 0.6, 0.5], "a list of 3"),
        (MULTICLASS, [[0.6, 0.6, 0.5]], "an array of float64 with shape (1, 3)"),
        (MULTICLASS, np.array([[2.0, -1.0, 0.5]]), "an array of float64 with shape (1, 3)"),
        (MULTICLASS, "b", ["b"]),
        (MULTICLASS, 2, ["2"]),
        (MULTICLASS, 0.5, "a float"),
        (REGRESSION, Decimal("3.5"), [[3.5]]),
        (REGRESSION, 3, [[3.0]]),
        (REGRESSION, 3.5, [[3.5]]),
        (REGRESSION, np.float32(3.5), [[3.5]]),
        (REGRESSION, np.array([[3.5]]), [[3.5]]),
        (REGRESSION, "3.5", "a str"),
        (REGRESSION, True, "a bool"),
    ],
    ids=named,
)
def test_the_result_of_one_row(task: Task, result: Any, expected: Any) -> None:
    assert seen(task, result) == expected


@pytest.mark.parametrize(
    ("task", "result", "expected"),
    [
        (BINARY, np.array([0.25, 0.75]), [[0.25], [0.75]]),
        (BINARY, [0.25, 0.75], [[0.25], [0.75]]),
        (BINARY, [0, 0.75], [[0.0], [0.75]]),
        (BINARY, pd.Series([0.25, 0.75]), [[0.25], [0.75]]),
        (BINARY, np.array([[0.25], [0.75]]), [[0.25], [0.75]]),
        (BINARY, np.array([[0.75, 0.25], [0.25, 0.75]]), [[0.25], [0.75]]),
        (BINARY, [[0.75, 0.25], [0.25, 0.75]], [[0.25], [0.75]]),
        (BINARY, pd.DataFrame([[0.75, 0.25], [0.25, 0.75]]), [[0.25], [0.75]]),
        (BINARY, np.array([0, 1]), ["0", "1"]),
        (BINARY, [0, 1], ["0", "1"]),
        (BINARY, [True, False], ["1", "0"]),
        (BINARY, [1, None], ["1", None]),
        (BINARY, ["no", "yes"], ["no", "yes"]),
        (BINARY, pd.Series(["no", None]), ["no", None]),
        (BINARY, np.array(["no", "yes"], dtype=object), ["no", "yes"]),
        (BINARY, np.array([0.25]), "an array of float64 with shape (1,)"),
        (BINARY, 0.25, "a float"),
        (BINARY, [{"p": 1}, {"p": 2}], "a list of 2, the first a dict with keys ['p']"),
        (MULTICLASS, np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]]), [[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]]),
        (MULTICLASS, [[0.6, 0.6, 0.5], [0.1, 0.9, 0.9]], "an array of float64 with shape (2, 3)"),
        (MULTICLASS, np.array([[2.0, -1.0, 0.5]] * 2), "an array of float64 with shape (2, 3)"),
        (MULTICLASS, np.array([[1, 0, 0], [0, 1, 0]]), "an array of int64 with shape (2, 3)"),
        (MULTICLASS, np.array(["a", "c"]), ["a", "c"]),
        (MULTICLASS, np.array([0.5, 0.7]), "an array of float64 with shape (2,)"),
        (BINARY, [0.25, "x"], [[0.25], [None]]),
        (BINARY, [1, "x"], ["1", "x"]),
        (BINARY, pl.Series([0.25, 0.75]), [[0.25], [0.75]]),
        (BINARY, pl.Series(["no", None]), ["no", None]),
        (BINARY, pl.DataFrame({"no": [0.75, 0.25], "yes": [0.25, 0.75]}), [[0.25], [0.75]]),
        (BINARY, pl.DataFrame({"label": ["no", "yes"]}), ["no", "yes"]),
        (BINARY, pl.DataFrame({"label": ["no"], "p": [0.5]}), "a DataFrame with columns ['label', 'p']"),
        (BINARY, pl.LazyFrame({"p": [0.5]}), "a LazyFrame"),
        (BINARY, pa.array([0.25, None]), [[0.25], [None]]),
        (BINARY, pa.chunked_array([["no"], ["yes"]]), ["no", "yes"]),
        (BINARY, pa.table({"no": [0.75, 0.25], "yes": [0.25, 0.75]}), [[0.25], [0.75]]),
        (BINARY, pa.table({"label": ["no", "yes"]}), ["no", "yes"]),
        (BINARY, pa.table({"label": ["no"], "p": [0.5]}), "a Table with columns ['label', 'p']"),
        (BINARY, pd.DataFrame({"label": ["no"], "p": [0.5]}), "a DataFrame with columns ['label', 'p']"),
        (BINARY, np.ma.masked_array([0.25, 0.5], mask=[False, True]), [[0.25], [None]]),
        (BINARY, [np.array([0.75, 0.25]), np.array([0.25, 0.75])], [[0.25], [0.75]]),
        (BINARY, [(0.75, 0.25), (0.25, 0.75)], [[0.25], [0.75]]),
        (BINARY, [Answer("no", 0.2)], "a list of 1, the first an Answer with fields ['label', 'probability']"),
        (REGRESSION, [Decimal("1.5"), Decimal(2)], [[1.5], [2.0]]),
        (REGRESSION, [1.5, "x"], [[1.5], [None]]),
        (REGRESSION, [1.5, None], [[1.5], [None]]),
        (REGRESSION, pl.Series([1, None]), [[1.0], [None]]),
        (REGRESSION, [1, 2], [[1.0], [2.0]]),
        (REGRESSION, np.array([1.5, 2.5], dtype="f4"), [[1.5], [2.5]]),
        (REGRESSION, pd.Series([1.5, 2.5]), [[1.5], [2.5]]),
        (REGRESSION, np.array([["a"], ["b"]]), "an array of <U1 with shape (2, 1)"),
    ],
    ids=named,
)
def test_the_result_of_two_rows(task: Task, result: Any, expected: Any) -> None:
    assert seen(task, result, n=2) == expected


def test_a_missing_number_in_a_list_is_missing_alone() -> None:
    output = read(REGRESSION, [1.5, None], 2)
    assert output.scores is not None
    assert output.scores[0, 0] == 1.5
    assert np.isnan(output.scores[1, 0])


@pytest.mark.parametrize(("score", "decided"), [(0.29, "stays"), (0.3, "churns"), (1.5, "churns")])
def test_a_score_alone_is_decided_at_the_threshold(service: Service, score: float, decided: str) -> None:
    churn = service.model(classes=["churns", "stays"], positive_class="churns", threshold=0.3)
    churn.predict(returns(score))({"amount": 1.0})

    assert service.attributes()["ml.prediction.class"] == decided
    assert service.counts() == {(("ml.prediction.class", decided),): 1}
    assert service.table().predicted is None


def test_nan_as_score_decides_nothing(service: Service) -> None:
    service.model().predict(returns(float("nan")))({"amount": 1.0})

    assert "ml.prediction.class" not in service.attributes()
    assert service.counts() == {(): 1}


def test_a_decided_class_is_recorded_as_text(service: Service) -> None:
    service.model().predict(returns(np.int64(1)))({"amount": 1.0})

    attributes = service.attributes()
    assert attributes["ml.prediction.class"] == "1"
    assert "ml.prediction.score" not in attributes
    table = service.table()
    assert table.scores is None
    assert unwrap(table.predicted).categories == ("1",)


def test_scores_of_several_classes(service: Service) -> None:
    model = service.model(task="multiclass", classes=["a", "b", "c"])
    model.predict(returns(np.array([0.1, 0.2, 0.7])))({"amount": 1.0})

    attributes = service.attributes()
    assert attributes["driftline.prediction.scores"] == (0.1, 0.2, 0.7)
    assert attributes["ml.prediction.class"] == "c"
    table = service.table()
    assert unwrap(table.scores).tolist() == [[0.1, 0.2, 0.7]]
    assert service.counts() == {(("ml.prediction.class", "c"),): 1}


def test_a_value(service: Service) -> None:
    service.model(task="regression").predict(returns(3))({"amount": 1.0})

    assert service.attributes()["ml.prediction.value"] == 3.0
    assert service.counts() == {(): 1}


def test_a_batch_says_how_many_rows_it_has(service: Service) -> None:
    service.model().predict(returns(np.array([0.25, 0.75, 0.9])))(np.zeros((3, 2)))

    attributes = service.attributes()
    assert attributes["ml.prediction.count"] == 3
    of_rows = ("driftline.feature.", "ml.prediction.score", "ml.prediction.class")
    assert not [key for key in attributes if key.startswith(of_rows)]
    assert service.counts() == {(("ml.prediction.class", "0"),): 1, (("ml.prediction.class", "1"),): 2}


def test_an_unread_result_says_what_to_write(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    @service.model().predict
    def score(order: dict[str, Any]) -> dict[str, Any]:
        return {"label": 1, "probability": 0.25}

    for _ in range(3):
        assert score({"amount": 1.0}) == {"label": 1, "probability": 0.25}

    assert service.counts() == {(): 3}
    assert [dict(span.attributes or {})["driftline.prediction.unread"] for span in service.spans] == [True] * 3
    assert list(service.table().features) == ["amount"]
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert warnings[0] == (
        "driftline: churn.score returned a dict with keys ['label', 'probability']; specify how to read the result: "
        '@churn.predict(score="probability", predicted="label")'
    )


@pytest.mark.parametrize(
    ("task", "result", "advice"),
    [
        (
            "multiclass",
            [[0.6, 0.6, 0.5], [0.1, 0.9, 0.9]],
            "an array of float64 with shape (2, 3), but the class scores of a row sum to 1; convert the scores, or "
            "record each label of a multilabel model as a separate model: "
            "@m.predict(score=lambda result: ..., predicted=lambda result: ...)",
        ),
        (
            "binary",
            np.array([[2.0, -0.5]] * 2),
            "an array of float64 with shape (2, 2), but the class scores of a row sum to 1; convert the scores, or "
            "record each label of a multilabel model as a separate model: "
            "@m.predict(score=lambda result: ..., predicted=lambda result: ...)",
        ),
        (
            "multiclass",
            [0.6, 0.6, 0.5],
            "a list of 3 for one row; a row has a class, or 3 class scores whose sum is 1: "
            "@m.predict(score=lambda result: ..., predicted=lambda result: ...)",
        ),
    ],
    ids=["three labels", "two margins", "one row"],
)
def test_columns_that_do_not_sum_to_one_are_not_class_scores(task: str, result: Any, advice: str) -> None:
    model = driftline.Model("m", task=task, classes=("a", "b", "c") if task == "multiclass" else None)
    rows: Any = [{"x": 1.0}, {"x": 2.0}] if len(result) == 2 else {"x": 1.0}

    def score(order: Any) -> Any:
        return result

    with driftline.testing.capture(raising=False) as capture:
        model.predict(score)(rows)
    assert capture.log[0] == f"driftline: m.score returned {advice}"
    assert [(prediction.score, prediction.predicted) for prediction in capture.predictions] == [(None, "")] * (
        len(rows) if isinstance(rows, list) else 1
    )


@pytest.mark.parametrize("batch", [False, True])
def test_a_class_that_the_model_does_not_have_is_told_once(
    service: Service, caplog: pytest.LogCaptureFixture, batch: bool
) -> None:
    @service.model().predict
    def score(order: Any) -> Any:
        return ["stay"] * len(order) if batch else "stay"

    for _ in range(2):
        score([{"amount": 1.0}, {"amount": 2.0}] if batch else {"amount": 1.0})
        service.flush()

    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [
        "driftline: churn.score predicts class 'stay', but the classes of churn are '0', '1': list all classes in the "
        "order of the scores, driftline.Model('churn', classes=(...), positive_class=...); otherwise, predictions and "
        "outcomes of this class cannot be used"
    ]


@pytest.mark.slow
def test_an_unread_result_that_is_not_kept_alive(service: Service) -> None:
    import gc
    import weakref

    class Response:
        pass

    class Made:
        one: Response

    def respond(order: dict[str, Any]) -> Response:
        response = Response()
        Made.one = response
        return response

    service.model().predict(respond)({"amount": 1.0})
    alive = weakref.ref(Made.one)
    del Made.one
    gc.collect()

    assert alive() is None


def test_the_first_call_says_how_it_was_read(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "driftline")

    @service.model().predict
    def score(order: dict[str, Any]) -> float:
        return 0.25

    score({"amount": 1.0, "country": "NO"})
    score({"amount": 2.0, "country": "NO"})
    service.flush()
    score({"amount": 3.0, "country": "NO"})
    service.flush()

    lines = [record.getMessage() for record in caplog.records if record.name == "driftline"]
    assert len(lines) == 1
    assert lines[0] == (
        "driftline: churn.score: recorded a dict with keys ['amount', 'country'] as one row, "
        "a float as the score of class '1' (threshold 0.5)"
    )


def test_a_class_that_the_result_says_is_not_said_to_come_from_the_threshold(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "driftline")

    @service.model().predict(score="probability", predicted="leaves")
    def score(order: dict[str, Any]) -> dict[str, Any]:
        return {"probability": 0.75, "leaves": 0}

    score({"amount": 1.0})
    service.flush()

    assert [record.getMessage() for record in caplog.records if record.name == "driftline"] == [
        "driftline: churn.score: recorded a dict with keys ['amount'] as one row, "
        "a dict with keys ['probability', 'leaves'] as the score of class '1' and the predicted class"
    ]


def test_a_score_that_is_set_in_the_call_is_not_said_to_be_what_was_returned(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "driftline")

    @service.model().predict
    def answer(order: dict[str, Any]) -> str:
        if prediction := driftline.current():
            prediction.score = 0.75
        return "a text"

    answer({"amount": 1.0})
    service.flush()

    assert [record.getMessage() for record in caplog.records if record.name == "driftline"] == [
        "driftline: churn.answer: recorded a dict with keys ['amount'] as one row, "
        "a float as the score of class '1' (threshold 0.5)"
    ]


def _first_line(caplog: pytest.LogCaptureFixture, service: Service, model: Any, result: Any, features: Any) -> str:
    caplog.set_level("INFO", "driftline")
    model.predict(returns(result))(features)
    service.flush()
    (line,) = [record.getMessage() for record in caplog.records if record.name == "driftline"]
    return line.partition(", an array ")[2]


@pytest.mark.parametrize(
    ("options", "result", "features", "read"),
    [
        (
            {},
            np.array([[0.75, 0.25], [0.5, 0.5]]),
            [{"x": 1.0}, {"x": 2.0}],
            "of float64 with shape (2, 2) as the scores of classes '0', '1' in this order "
            "(if the classes or their order differ: Model(classes=..., positive_class=...))",
        ),
        (
            {"classes": ("yes", "no"), "positive_class": "yes"},
            np.array([0.75, 0.25]),
            {"x": 1.0},
            "of float64 with shape (2,) as the scores of classes 'yes', 'no' in this order "
            "(if the classes or their order differ: Model(classes=..., positive_class=...))",
        ),
        (
            {"task": "multiclass", "classes": ("a", "b", "c")},
            np.array([[0.5, 0.25, 0.25]]),
            {"x": 1.0},
            "of float64 with shape (1, 3) as the scores of classes 'a', 'b', 'c' in this order "
            "(if the classes or their order differ: Model(classes=...))",
        ),
        (
            {"task": "multiclass", "classes": range(13)},
            np.full((1, 13), 1 / 13),
            {"x": 1.0},
            "of float64 with shape (1, 13) as the scores of 13 classes",
        ),
        (
            {},
            np.array([0.25, 0.5]),
            [{"x": 1.0}, {"x": 2.0}],
            "of float64 with shape (2,) as the score of class '1' (threshold 0.5)",
        ),
    ],
)
def test_the_first_call_names_the_classes_of_columns_of_scores_in_their_order(
    service: Service,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
    result: Any,
    features: Any,
    read: str,
) -> None:
    assert _first_line(caplog, service, service.model(**options), result, features) == read


@pytest.mark.parametrize(
    ("result", "told"), [(1.5, 1), (-0.5, 1), ([-3.0, 0.5], 1), (0.0, 0), (1.0, 0), (float("nan"), 0)]
)
def test_scores_of_a_binary_model_that_are_no_probabilities_are_told_once(
    service: Service, caplog: pytest.LogCaptureFixture, result: Any, told: int
) -> None:
    predict = service.model().predict(returns(result))
    for _ in range(2):
        predict([{"x": 1.0}, {"x": 2.0}] if isinstance(result, list) else {"x": 1.0})
        service.flush()

    line = (
        "driftline: churn.<lambda> returns scores outside 0 to 1, which are not probabilities: these rows have a "
        "predicted class, but no log loss and no calibration; convert the scores to probabilities: "
        "@churn.predict(score=lambda result: ...)"
    )
    assert caplog.messages.count(line) == told


@pytest.mark.parametrize("unsound", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("task", "result", "n"),
    [
        ("binary", lambda x: x, 1),
        ("binary", lambda x: np.array([0.5, x, 0.25]), 3),
        ("binary", lambda x: np.array([[0.5, 0.5], [0.0, x], [0.5, 0.5]]), 3),
        ("multiclass", lambda x: [0.5, x, 0.25], 1),
        ("regression", lambda x: [0.5, x], 2),
        ("ranking", lambda x: [("a", x), ("b", 0.5)], 1),
        ("ranking", lambda x: [[("a", x)], [("b", 0.5)], ["c"]], 3),
    ],
)
def test_a_score_that_is_no_number_is_missing_and_counted(
    service: Service, task: str, result: Callable[[float], Any], n: int, unsound: float
) -> None:
    UNRECORDED.drain()
    options: dict[str, Any] = {"classes": ("a", "b", "c")} if task == "multiclass" else {}
    score = service.model(task=task, **options).predict(returns(result(unsound)))
    with pytest.MonkeyPatch.context() as patch:
        counted: list[Any] = []
        patch.setattr("driftline.export.pipeline.count_own", lambda *_: counted.append(UNRECORDED.drain()))
        score({"x": 1.0} if n == 1 else [{"x": 1.0}] * n)
        table = service.table()

    assert counted[0] == {("churn", "score_not_a_number"): 1}
    assert len(table) == n
    if table.scores is not None:
        assert not np.isinf(table.scores).any()


def test_a_result_that_cannot_be_read_is_counted_by_row(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[Any] = []
    monkeypatch.setattr("driftline.export.pipeline.count_own", lambda *_: counted.append(UNRECORDED.drain()))
    UNRECORDED.drain()
    model = service.model()
    model.predict(returns({"p": 0.5}))({"x": 1.0})
    model.predict(returns({"p": 0.5}))([{"x": 1.0}] * 3)
    service.flush()

    assert counted[0] == {("churn", "unread_result"): 4}


def test_a_tuple_that_is_said_to_be_the_scores_is_read_as_such(service: Service) -> None:
    with service.model().prediction(features={"x": 1.0}) as p:
        p.score = (0.75, 0.25)

    table = service.table()
    assert unwrap(table.scores).tolist() == [[0.25]]


@pytest.mark.parametrize(
    ("result", "change"),
    [
        (np.array([0.25, 0.5]), lambda values: values.fill(1.0)),
        (pd.Series([0.25, 0.5]), lambda values: values.__setitem__(0, 1.0)),
        (pd.DataFrame({"p": [0.25, 0.5]}), lambda frame: frame.__setitem__("p", 1.0)),
        ([0.25, 0.5], lambda values: values.clear()),
        (pl.Series([0.25, 0.5]), lambda values: values.__setitem__(0, 1.0)),
    ],
    ids=["array", "Series", "DataFrame", "list", "polars"],
)
def test_a_result_that_changes_later_is_recorded_as_it_was(
    service: Service, result: Any, change: Callable[[Any], None]
) -> None:
    service.model().predict(returns(result))([{"x": 1.0}] * 2)
    change(result)

    table = service.table()
    assert unwrap(table.scores).tolist() == [[0.25], [0.5]]


def test_results_count_towards_the_bound_of_the_buffer(service: Service) -> None:
    model = service.model(task="regression")
    model.predict(returns(np.zeros(100_000)))([{}] * 100_000)

    assert model._pipeline._rows._bytes > 800_000


LEVELS = (0.1, 0.5, 0.9)


def price(service: Service, **said: Any) -> driftline.Model:
    return service.model(name="price", task="regression", quantiles=LEVELS, **said)


def scores(table: PredictionTable) -> F64:
    assert table.scores is not None
    return table.scores


@pytest.mark.parametrize(
    "result",
    [
        np.array([1.0, 2.0, 4.0]),
        np.array([[1, 2, 4]]),
        [1.0, 2.0, 4.0],
        [1, 2.0, np.float32(4.0)],
        [[1.0, 2.0, 4.0]],
    ],
)
def test_a_row_of_quantiles_is_read_in_whatever_shape_it_comes(service: Service, result: object) -> None:
    price(service).predict(returns(result))({"rooms": 4})
    [table] = service.tables()
    assert table.task == Task("regression", quantiles=LEVELS)
    assert scores(table).tolist() == [[1.0, 2.0, 4.0]]
    assert table.task.monitored_score(scores(table)).tolist() == [2.0]
    assert table.predicted is None


@pytest.mark.parametrize("shape", [np.asarray, np.ndarray.tolist, lambda rows: list(map(tuple, rows.tolist()))])
def test_a_batch_is_a_row_of_quantiles_each(service: Service, shape: Callable[[F64], object]) -> None:
    rows = np.array([[1.0, 2.0, 4.0], [5.0, 6.0, 9.0]])
    price(service).predict(returns(shape(rows)))(np.array([[1.0], [2.0]]))
    [table] = service.tables()
    assert scores(table).tolist() == rows.tolist()


@pytest.mark.parametrize("result", [2.0, [1.0, 2.0], (1.0, 2.0, 4.0), np.ones((1, 4)), "dear", None])
def test_what_is_no_row_of_as_many_numbers_is_not_read(service: Service, result: object) -> None:
    price(service).predict(returns(result))({"rooms": 4})
    [table] = service.tables()
    assert table.scores is None


def test_a_span_says_the_quantiles(service: Service) -> None:
    price(service).predict(returns(np.array([1.0, 2.0, 4.0])))({"rooms": 4})
    said = service.attributes()
    assert said["driftline.prediction.scores"] == (1.0, 2.0, 4.0)
    assert "ml.prediction.value" not in said


def test_a_baseline_knows_the_levels_and_its_performance(tmp_path: Any) -> None:
    rng = np.random.default_rng(3)
    rooms = rng.integers(1, 6, 400).astype(np.float64)
    quantiles = np.column_stack([rooms - 1, rooms, rooms + 1])
    baseline = Baseline.from_frame(
        {"rooms": rooms},
        score=quantiles,
        actual=rooms + rng.normal(0, 0.7, 400),
        model="price",
        task="regression",
        quantiles=LEVELS,
    )
    baseline.save(tmp_path / "price.json")
    again = Baseline.load(tmp_path / "price.json")
    assert again.task == Task("regression", quantiles=LEVELS)
    assert again.digest == baseline.digest
    weight, _, *_ = again.pane.parts["quantiles"]
    assert weight == 400
    model = driftline.Model("price", baseline=again)
    assert model._identity.task.quantiles == LEVELS


@pytest.mark.parametrize(
    ("task", "levels", "facts"),
    [
        ("regression", (0.9, 0.1), ("increasing",)),
        ("regression", (0.5,), ("two or more levels",)),
        ("regression", (0.0, 0.5), ("between 0 and 1",)),
        ("regression", ("a", "b"), ("between 0 and 1",)),
        ("binary", (0.1, 0.9), ("only a regression model has quantiles",)),
    ],
)
def test_levels_that_are_none_are_refused_with_the_fix(task: str, levels: Any, facts: Facts) -> None:
    with pytest.raises(ValueError, match=in_order(*facts)):
        driftline.Model("price", task=task, quantiles=levels)


def test_what_is_learned_of_a_model_leaves_its_levels() -> None:
    given = {"task": "", "classes": None, "positive_class": None, "threshold": None, "quantiles": LEVELS}
    assert complete_task("price", given, "regression", None, None)[1] == Task("regression", quantiles=LEVELS)
    assert quantile_levels("regression", None) == ()
