"""Inputs and results in the shapes that services use: how many rows they are, and advice that works when followed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

import driftline
import driftline.testing
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from driftline.testing import Capture

FRAME = pd.DataFrame({"x": [1.0], "y": [2.0]})
TEXTS = ["good film", "bad film"]
COLUMNS = {"age": [30.0, 40.5], "country": ["NO", None]}


@dataclass
class Answer:
    label: str
    probability: float


def captured(model: dict[str, Any], given: Any, result: Any, **selectors: Any) -> Capture:
    """Call a function that returns a result once, and return what is recorded."""
    with driftline.testing.capture(raising=False) as capture:

        def predict(x: Any) -> Any:  # noqa: ARG001
            return result

        predict.__qualname__ = "predict"
        driftline.Model("m", **model).predict(**selectors)(predict)(given)
    return capture


def read(capture: Capture) -> list[Any]:
    """Return the score, or else the class, of each prediction."""
    return [
        prediction.score if prediction.score is not None else prediction.predicted for prediction in capture.predictions
    ]


BINARY = {"task": "binary"}
MULTICLASS = {"task": "multiclass", "classes": ("a", "b", "c")}
REGRESSION = {"task": "regression"}
RANKING = {"task": "ranking"}


@pytest.mark.parametrize(
    "one",
    [FRAME, FRAME.to_numpy(), FRAME.to_dict("records"), [[1.0, 2.0]], [np.array([1.0, 2.0])], FRAME.to_dict("list")],
    ids=["frame", "array", "dicts", "lists", "arrays", "columns"],
)
@pytest.mark.parametrize(
    ("model", "result", "expected"),
    [
        (BINARY, 0.25, 0.25),
        (BINARY, np.float32(0.25), 0.25),
        (BINARY, [0.25], 0.25),
        (BINARY, np.array([[0.75, 0.25]]), 0.25),
        (BINARY, np.array([0.75, 0.25]), 0.25),
        (BINARY, 1, "1"),
        (BINARY, "0", "0"),
        (MULTICLASS, "b", "b"),
        (MULTICLASS, np.array([0.25, 0.5, 0.25]), (0.25, 0.5, 0.25)),
        (REGRESSION, 3.5, 3.5),
        (REGRESSION, np.array(3), 3.0),
    ],
    ids=repr,
)
def test_a_batch_of_one_row_has_the_result_of_one_row(one: Any, model: Any, result: Any, expected: Any) -> None:
    capture = captured(model, one, result)
    assert read(capture) == [expected]
    assert not capture.lost


@pytest.mark.parametrize("result", [["p1", "p2"], [["p1", "p2"]], {"p1": 0.5, "p2": 0.25}, [{"p1": 0.5, "p2": 0.25}]])
def test_a_batch_of_one_row_has_one_ranking(result: Any) -> None:
    (prediction,) = captured(RANKING, FRAME, result).predictions
    assert prediction.items == ("p1", "p2")


@pytest.mark.parametrize("selectors", [{"score": lambda result: result["p"]}, {"score": "p"}], ids=["function", "name"])
def test_a_selector_reads_the_only_row_of_a_batch(selectors: Any) -> None:
    assert read(captured(BINARY, FRAME, {"p": 0.25}, **selectors)) == [0.25]


@pytest.mark.parametrize(
    ("given", "features"),
    [
        (TEXTS, [{"x": "good film"}, {"x": "bad film"}]),
        (tuple(TEXTS), [{"x": "good film"}, {"x": "bad film"}]),
        (np.array(TEXTS, object), [{"x": "good film"}, {"x": "bad film"}]),
        (COLUMNS, [{"age": 30.0, "country": "NO"}, {"age": 40.5, "country": None}]),
        ({"x": (1, 2)}, [{"x": 1}, {"x": 2}]),
        ({"x": np.array([1.5, 2.5])}, [{"x": 1.5}, {"x": 2.5}]),
        ({"x": {"0": 1.5, "1": 2.5}, "y": {"0": "a", "1": "b"}}, [{"x": 1.5, "y": "a"}, {"x": 2.5, "y": "b"}]),
        ({"x": [1.5, "b"]}, [{"x": 1.5}, {"x": "b"}]),
        (pd.DataFrame({"text": TEXTS})["text"], [{"text": "good film"}, {"text": "bad film"}]),
        (pd.Series([1.5, 2.5]), [{"f0": 1.5}, {"f0": 2.5}]),
        (pl.Series(TEXTS), [{"x": "good film"}, {"x": "bad film"}]),
        (np.zeros((2, 3, 4)), [{}, {}]),
        (np.zeros((2, 8, 8, 3)), [{}, {}]),
    ],
    ids=[
        "texts",
        "tuple",
        "array",
        "columns",
        "tuples",
        "arrays",
        "pandas JSON",
        "mixed",
        "pandas column",
        "series",
        "polars",
        "3-D",
        "4-D",
    ],
)
@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ([0.9, 0.8], [0.9, 0.8]),
        (np.array([0.9, 0.8]), [0.9, 0.8]),
        (pd.Series([0.9, 0.8]), [0.9, 0.8]),
        (np.array([[0.1, 0.9], [0.2, 0.8]]), [0.9, 0.8]),
        ([1, 0], ["1", "0"]),
        ([True, False], ["1", "0"]),
    ],
    ids=["list", "array", "series", "predict_proba", "classes", "decisions"],
)
def test_two_values_with_two_results_are_two_rows(given: Any, features: Any, result: Any, expected: Any) -> None:
    capture = captured(BINARY, given, result)
    assert read(capture) == expected
    assert [prediction.features for prediction in capture.predictions] == features
    assert [loss.reason for loss in capture.lost] == ([] if features[0] else ["unsupported_input"])


@pytest.mark.parametrize(
    ("given", "features"),
    [
        (TEXTS, {"f0": "good film", "f1": "bad film"}),
        ({"a": [0.5, 0.25], "b": [1.0, 2.0]}, {"a": (0.5, 0.25), "b": (1.0, 2.0)}),
        (np.zeros((2, 8, 3)), {}),
        (pd.Series([1.5, 2.5]), {"0": 1.5, "1": 2.5}),
        (pd.Series({"a": 1.5, "b": 2.5}), {"a": 1.5, "b": 2.5}),
    ],
    ids=["texts", "vectors", "image", "series", "row of a frame"],
)
@pytest.mark.parametrize("result", [0.25, [0.75, 0.25], np.array([[0.75, 0.25]]), [0.25]], ids=repr)
def test_the_same_values_with_one_result_are_one_row(given: Any, features: Any, result: Any) -> None:
    (prediction,) = captured(BINARY, given, result).predictions
    assert (prediction.score, prediction.features) == (0.25, features)


@pytest.mark.parametrize("kind", ["block", "async", "generator"])
def test_every_kind_of_call_decides_the_rows(kind: str) -> None:
    with driftline.testing.capture() as capture:
        model = driftline.Model("m", task="binary")
        if kind == "block":
            with model.prediction(features=TEXTS) as prediction:
                prediction.score = [0.9, 0.8]
        elif kind == "async":

            @model.predict
            async def predict(x: Any) -> list[float]:  # noqa: ARG001
                return [0.9, 0.8]

            asyncio.run(predict(COLUMNS))
        else:

            @model.predict
            def steps(x: Any) -> Iterator[float]:  # noqa: ARG001
                yield from (0.9, 0.8)

            assert list(steps(COLUMNS)) == [0.9, 0.8]
    assert read(capture) == [0.9, 0.8]


def test_columns_keep_their_ids_and_slices() -> None:
    columns = {"order": ["A-1", "A-2"], "shop": ["oslo", "bergen"], "amount": [1.5, 2.5]}
    predictions = captured(BINARY, columns, [0.9, 0.8], id="order", slices="shop").predictions
    assert [(p.id, p.slices, p.score) for p in predictions] == [
        ("A-1", {"shop": "oslo"}, 0.9),
        ("A-2", {"shop": "bergen"}, 0.8),
    ]


def test_a_call_that_raises_is_one_prediction_whatever_its_input_may_be() -> None:
    with driftline.testing.capture(raising=False) as capture:

        @driftline.Model("m", task="binary").predict
        def predict(x: Any) -> float:
            raise KeyError(str(x))

        with pytest.raises(KeyError):
            predict(TEXTS)
    assert [prediction.error for prediction in capture.predictions] == ["KeyError"]


def test_columns_are_a_copy() -> None:
    columns = {"x": [1.5, 2.5]}
    with driftline.testing.capture(raising=False) as capture:

        @driftline.Model("m", task="binary").predict
        def predict(x: dict[str, list[float]]) -> list[float]:
            x["x"][0] = -1.0
            return [0.9, 0.8]

        predict(columns)
    assert [prediction.features for prediction in capture.predictions] == [{"x": 1.5}, {"x": 2.5}]


@pytest.mark.parametrize(
    ("scores", "is_read"),
    [([0.33, 0.33, 0.33], True), ([0.2, 0.3, 0.5], True), ([0.9, 0.8, 0.1], False), ([2.0, -1.0, 3.0], False)],
)
def test_class_scores_of_one_row_have_the_sum_one(scores: list[float], is_read: bool) -> None:
    for result in (scores, np.array(scores), pd.Series(scores)):
        capture = captured(MULTICLASS, {"x": 1.0}, result)
        assert [loss.reason for loss in capture.lost] == ([] if is_read else ["unread_result"])
        assert read(capture) == [tuple(scores) if is_read else ""]


# Advice

INPUTS: dict[str, Any] = {
    "dict": {"x": 1.0, "y": 2.0},
    "numbers": [1.0, 2.0, 3.0],
    "array": np.array([1.0, 2.0, 3.0]),
    "series": pd.Series({"x": 1.0, "y": 2.0}),
    "vectors": {"v": [0.5] * 5, "w": [0.25] * 5},
    "frame of 1": FRAME,
    "array of 1": np.ones((1, 2)),
    "dicts of 1": [{"x": 1.0}],
    "frame of 3": pd.DataFrame({"x": [1.0] * 3}),
    "array of 3": np.ones((3, 2)),
    "dicts of 3": [{"x": 1.0}] * 3,
    "texts": ["a b", "c d", "e f"],
    "columns": {"x": [1.0, 2.0, 3.0], "y": ["a", "b", "c"]},
    "pandas JSON": {"x": {"0": 1, "1": 2, "2": 3}},
    "images": np.ones((3, 2, 2)),
    "scalar": 1.5,
    "columns of pandas": {"x": pd.Series([1.0, 2.0, 3.0]), "y": pd.Series(["a", "b", "c"])},
}
RESULTS: dict[str, Any] = {
    "float": 0.25,
    "int": 1,
    "bool": True,
    "text": "1",
    "floats": [0.25, 0.5, 0.75],
    "two floats": [0.9, 0.8],
    "labels": ["1", "0", "1"],
    "ints": [1, 0, 1],
    "array": np.array([0.25, 0.5, 0.75]),
    "array (1, 2)": np.array([[0.75, 0.25]]),
    "array (3, 2)": np.array([[0.75, 0.25]] * 3),
    "array (3, 1)": np.full((3, 1), 0.25),
    "dict": {"probability": 0.25, "label": "1"},
    "prediction": {"prediction": 0.25},
    "price": {"id": 17, "price": 250.5},
    "nested": {"status": "ok", "data": {"score": 0.25}},
    "dict of list": {"scores": [0.25, 0.5, 0.75]},
    "dict of dicts": {"results": [{"p": 0.25}, {"p": 0.5}, {"p": 0.75}]},
    "dicts": [{"label": "1", "score": 0.25}] * 3,
    "dicts of 1": [{"label": "1", "score": 0.25}],
    "object": Answer("1", 0.25),
    "tuple": ("1", 0.25),
    "None": None,
    "pipeline": [{"label": "1", "score": 0.75}],
    "pipeline of 3": [{"label": "0", "score": 0.75}] * 3,
    "top_k=None": [[{"label": "1", "score": 0.75}, {"label": "0", "score": 0.25}]],
    "classes": {"0": 0.75, "1": 0.25},
    "nested classes": {"model": "v1", "probabilities": {"0": 0.75, "1": 0.25}},
    "other classes": {"no": 0.75, "yes": 0.25},
    "zipped": {"labels": ["1", "0"], "scores": [0.75, 0.25]},
    "frame": pd.DataFrame({"yhat_lower": [1.0], "yhat": [1.5], "yhat_upper": [2.0]}),
    "two prices": {"price": 2.5, "tax": 0.5},
    "value and extras": (0.75, {"explain": 1}),
    "value and numbers": (0.75, {"explain": [0.5, 0.25]}, 7.5),
    "value and extras, JSON": [0.75, {"explain": 1}],
}
_CODE = re.compile(r"@m\.predict\((.*)\)$")


@pytest.mark.parametrize("model", [BINARY, MULTICLASS, REGRESSION, RANKING], ids=lambda model: model["task"])
@pytest.mark.parametrize("given", INPUTS)
def test_the_first_advice_works(model: dict[str, Any], given: str) -> None:
    """Each result is read, or logged with code that reads it; code with ``...`` is only for a value to be chosen."""
    chosen: list[str] = []  # results whose advice leaves a choice
    for name, result in RESULTS.items():
        capture = captured(model, INPUTS[given], result)
        if not any(loss.reason == "unread_result" for loss in capture.lost):
            continue
        (line,) = (line for line in capture.log if "driftline: m.predict returned" in line)
        code = _CODE.search(line)
        if code is None or "..." in code[1]:
            assert "..." in line or "classes=(" in line or line.endswith("; return one result per row")
            chosen.append(name)
            continue
        following = captured(model, INPUTS[given], result, **eval(f"dict({code[1]})"))
        assert not any(loss.reason == "unread_result" for loss in following.lost), line
        assert all(value not in (None, "") for value in read(following)) or model is RANKING, line
    unclear = {
        "binary": {"dict of list", "dict of dicts", "dicts", "price", "None", "pipeline of 3", "other classes"},
        "regression": {
            *("dict of list", "dict of dicts", "dicts", "array (1, 2)", "array (3, 2)", "text", "bool", "labels"),
            *("price", "None", "pipeline of 3", "top_k=None", "zipped"),
        },
    }
    many = {"two floats", "frame", "two prices", "classes", "nested classes", "other classes"}  # a row's
    rows = many if np.ndim(INPUTS[given]) and len(INPUTS[given]) == 3 else set()
    assert set(chosen) <= unclear.get(model["task"], set(RESULTS)) | rows


@pytest.mark.parametrize(
    ("model", "result", "line"),
    [
        (REGRESSION, {"price": 12.5}, '@m.predict(predicted="price")'),
        (REGRESSION, {"id": 17, "predicted_price": 12.5}, '@m.predict(predicted="predicted_price")'),
        (BINARY, {"prediction": 0.87}, '@m.predict(score="prediction")'),
        (BINARY, {"data": {"p": 0.25}}, '@m.predict(score=lambda result: result["data"]["p"])'),
        (RANKING, {"found": ["p1", "p2"]}, '@m.predict(predicted="found")'),
        (BINARY, None, "return the result, or set it inside the function: driftline.current().score = ..."),
    ],
    ids=repr,
)
def test_the_field_to_name_depends_on_the_task_and_the_value(model: Any, result: Any, line: str) -> None:
    (unread,) = (text for text in captured(model, {"x": 1.0}, result).log if "predict returned" in text)
    assert unread.endswith(line)


TEXT_CLASSES: dict[str, Any] = {"task": "binary", "classes": ("no", "yes"), "positive_class": "yes"}
PAIRS = [{"label": "b", "score": 0.5}, {"label": "a", "score": 0.375}, {"label": "c", "score": 0.125}]


class Decision(Enum):
    YES = "yes"
    NO = "no"


class Plan(str, Enum):  # noqa: UP042 - whose `str` is its name, as in many services
    YES = "yes"
    NO = "no"


def pairs(*labels_and_scores: tuple[str, float]) -> list[dict[str, Any]]:
    return [{"label": label, "score": score} for label, score in labels_and_scores]


@pytest.mark.parametrize(
    ("model", "given", "result", "code", "expected"),
    [
        (
            TEXT_CLASSES, "good", pairs(("yes", 0.75)),
            'score=lambda result: [{row["label"]: row["score"]} for row in result], predicted="label"', [(0.75, "yes")],
        ),
        (
            TEXT_CLASSES, TEXTS, pairs(("no", 0.75), ("yes", 0.625)),
            'score=lambda result: [{row["label"]: row["score"]} for row in result], predicted="label"',
            [(0.25, "no"), (0.625, "yes")],
        ),
        (BINARY, "good", pairs(("POSITIVE", 0.75)), 'predicted="label"', [(None, "POSITIVE")]),
        (MULTICLASS, "good", pairs(("b", 0.75)), 'predicted="label"', [(None, "b")]),
        (
            TEXT_CLASSES, "good", pairs(("no", 0.75), ("yes", 0.25)),
            'score=lambda result: {one["label"]: one["score"] for one in result}', [(0.25, "no")],
        ),
        (
            MULTICLASS, "good", [PAIRS],
            'score=lambda result: [{one["label"]: one["score"] for one in row} for row in result]',
            [((0.375, 0.5, 0.125), "b")],
        ),
        (
            MULTICLASS, TEXTS, [PAIRS, pairs(("c", 0.5), ("b", 0.25), ("a", 0.25))],
            'score=lambda result: [{one["label"]: one["score"] for one in row} for row in result]',
            [((0.375, 0.5, 0.125), "b"), ((0.25, 0.25, 0.5), "c")],
        ),
        (
            MULTICLASS, "good", {"labels": ["b", "a", "c"], "scores": [0.5, 0.375, 0.125]},
            'score=lambda result: dict(zip(result["labels"], result["scores"]))', [((0.375, 0.5, 0.125), "b")],
        ),
        (
            TEXT_CLASSES, {"x": 1.0}, {"prediction": "no", "probability": 0.75},
            'score=lambda result: {result["prediction"]: result["probability"]}, predicted="prediction"',
            [(0.25, "no")],
        ),
        (
            TEXT_CLASSES, {"x": 1.0}, {"prediction": "no", "probability": 0.25},
            'score="probability", predicted="prediction"', [(0.25, "no")],
        ),
        (TEXT_CLASSES, {"x": 1.0}, {"id": 7, "out": {"no": 0.75, "yes": 0.25}}, 'score="out"', [(0.25, "no")]),
        (
            TEXT_CLASSES, {"x": 1.0}, ({"no": 0.75, "yes": 0.25}, {"ms": 4.0}),
            "score=lambda result: result[0]", [(0.25, "no")],
        ),
        (
            TEXT_CLASSES, FRAME, pd.DataFrame({"label": ["no"], "probability": [0.25]}),
            'score="probability", predicted="label"', [(0.25, "no")],
        ),
        (REGRESSION, FRAME, pd.DataFrame({"yhat_lower": [1.0], "yhat": [1.5]}), 'predicted="yhat"', [(1.5, "")]),
        (REGRESSION, FRAME, pl.DataFrame({"yhat_lower": [1.0], "yhat": [1.5]}), 'predicted="yhat"', [(1.5, "")]),
        (REGRESSION, {"x": 1.0}, pd.Series({"mean": 1.5, "id": 7.0}), 'predicted="mean"', [(1.5, "")]),
        (REGRESSION, {"x": 1.0}, {"id": 7, "price": 2.5}, 'predicted="price"', [(2.5, "")]),
        (REGRESSION, {"x": 1.0}, {"price": 2.5, "tax": 0.5}, 'predicted="price"', [(2.5, "")]),
        (REGRESSION, {"x": 1.0}, (0.75, {"explain": 1}), "predicted=lambda result: result[0]", [(0.75, "")]),
        (REGRESSION, {"x": 1.0}, [0.75, {"explain": 1}], "predicted=lambda result: result[0]", [(0.75, "")]),
        (
            REGRESSION, [{"x": 1.0}] * 2, (np.array([0.75, 0.5]), {"explain": [1.0, 2.0]}),
            "predicted=lambda result: result[0]", [(0.75, ""), (0.5, "")],
        ),
    ],
    ids=repr,
)  # fmt: skip
def test_the_advice_has_the_meaning_of_the_result(
    model: dict[str, Any], given: Any, result: Any, code: str, expected: list[Any]
) -> None:
    (line,) = (line for line in captured(model, given, result).log if "predict returned" in line)
    assert line.endswith(f"@m.predict({code})")
    following = captured(model, given, result, **eval(f"dict({code})"))
    assert [(prediction.score, prediction.predicted) for prediction in following.predictions] == expected
    assert not following.lost


@pytest.mark.parametrize(
    ("given", "result", "expected"),
    [
        ({"x": 1.0}, {"yes": 0.25, "no": 0.75}, [0.25]),
        ({"x": 1.0}, {"no": 0.75}, [0.25]),
        ({"x": 1.0}, pd.Series({"yes": 0.25, "no": 0.75}), [0.25]),
        (FRAME, [{"yes": 0.25, "no": 0.75}], [0.25]),
        (TEXTS, [{"yes": 0.25, "no": 0.75}, {"no": 0.5, "yes": 0.5}], [0.25, 0.5]),
        (TEXTS, [{"yes": 0.75}, {"no": 0.75}], [0.75, 0.25]),
        (TEXTS, {"yes": [0.25, 0.5], "no": [0.75, 0.5]}, [0.25, 0.5]),
        (TEXTS, {"yes": np.array([0.25, 0.5]), "no": np.array([0.75, 0.5])}, [0.25, 0.5]),
        (TEXTS, pd.DataFrame({"yes": [0.25, 0.5], "no": [0.75, 0.5]}), [0.25, 0.5]),
        (TEXTS, pl.DataFrame({"yes": [0.25, 0.5], "no": [0.75, 0.5]}), [0.25, 0.5]),
        (TEXTS, pa.table({"yes": [0.25, 0.5], "no": [0.75, 0.5]}), [0.25, 0.5]),
        (TEXTS, pd.Series([0.25, 0.5], index=["yes", "no"]), [0.25, 0.5]),
        (TEXTS, [pd.Series({"yes": 0.25, "no": 0.75}), pd.Series({"no": 0.5, "yes": 0.5})], [0.25, 0.5]),
        (TEXTS, [{"yes": Decimal("0.25"), "no": Decimal("0.75")}, {"yes": Decimal("0.5"), "no": 0.5}], [0.25, 0.5]),
        (TEXTS, pd.DataFrame({"yes": [0.25, 0.5], "no": [0.75, 0.5]}, dtype="Float64"), [0.25, 0.5]),
        ({"x": 1.0}, {Decision.YES: 0.25, Decision.NO: 0.75}, [0.25]),
        (TEXTS, pd.DataFrame({"p_no": [0.75, 0.5], "p_yes": [0.25, 0.5]}), [0.25, 0.5]),
    ],
    ids=str,
)
def test_class_scores_with_names_have_the_order_of_the_names(given: Any, result: Any, expected: list[float]) -> None:
    capture = captured(TEXT_CLASSES, given, result)
    assert read(capture) == expected
    assert not capture.lost


@pytest.mark.parametrize(
    "result", [{"no": 0.9, "yes": 0.8}, {"yes": 1.5}, {"no": "0.75", "yes": "0.25"}, {"no": 0.75, "other": 0.25}, {}]
)
def test_other_mappings_are_not_class_scores(result: dict[str, Any]) -> None:
    capture = captured(TEXT_CLASSES, {"x": 1.0}, result)
    assert read(capture) == [""]
    assert [loss.reason for loss in capture.lost] == ["unread_result"]


def test_classes_that_the_model_does_not_have_are_advised() -> None:
    (line,) = (text for text in captured(BINARY, {"x": 1.0}, {"no": 0.75, "yes": 0.25}).log if "returned" in text)
    assert line == (
        "driftline: m.predict returned a dict with keys ['no', 'yes'], but the classes of m are '0', '1'; list "
        "the classes of the scores: driftline.Model('m', classes=('no', 'yes'), positive_class=...)"
    )


@pytest.mark.parametrize("kind", [Decision, Plan])
@pytest.mark.parametrize("make", [list, pd.Series, lambda values: np.array(values, object)])
def test_an_enum_is_its_value(kind: Any, make: Any) -> None:
    capture = captured(TEXT_CLASSES, {"plan": kind.YES}, kind.YES)
    capture_of_a_batch = captured(TEXT_CLASSES, [{"plan": kind.NO}] * 2, make([kind.YES, kind.NO]))
    assert [(p.predicted, p.features) for p in capture.predictions] == [("yes", {"plan": "yes"})]
    assert [p.predicted for p in capture_of_a_batch.predictions] == ["yes", "no"]
    assert [p.features for p in capture_of_a_batch.predictions] == [{"plan": "no"}] * 2
    with driftline.testing.capture() as outcomes:
        driftline.Model("m", **TEXT_CLASSES).outcome("A-1", actual=kind.YES)
    assert outcomes.outcomes[0].actual == "yes"


def test_yielded_class_scores_are_a_batch() -> None:
    with driftline.testing.capture() as capture:
        model = driftline.Model("m", **TEXT_CLASSES)

        @model.predict
        def scores(rows: list[dict[str, float]]) -> Iterator[dict[str, float]]:
            yield from ({"yes": row["x"], "no": 1 - row["x"]} for row in rows)

        assert len(list(scores([{"x": 0.25}, {"x": 0.5}]))) == 2
    assert read(capture) == [0.25, 0.5]


def test_a_missing_value_of_pandas_is_missing() -> None:
    capture = captured(REGRESSION, [{"x": 1.0}] * 2, [1.5, pd.NA])
    assert read(capture) == [1.5, ""]


def test_a_price_and_a_tax_are_both_named() -> None:
    (line,) = (text for text in captured(REGRESSION, {"x": 1.0}, {"price": 2.5, "tax": 0.5}).log if "returned" in text)
    assert '; specify which of "price", "tax" is the value: ' in line


@pytest.mark.parametrize(
    "make", [pd.Series, pl.Series, pa.array, lambda values: pa.chunked_array([values]), np.array, tuple]
)
def test_columns_of_every_library_are_rows(make: Any) -> None:
    columns = {"age": make([30.0, 40.5]), "country": make(["NO", "SE"])}
    predictions = captured(BINARY, columns, [0.9, 0.8]).predictions
    assert [p.features for p in predictions] == [{"age": 30.0, "country": "NO"}, {"age": 40.5, "country": "SE"}]
    assert [p.score for p in predictions] == [0.9, 0.8]


def test_advice_for_the_features_has_the_parameters_of_the_function() -> None:
    with driftline.testing.capture(raising=False) as capture:

        @driftline.Model("m", task="regression").predict(id="id")
        def predict(x: list[float], id: str | None = None) -> list[float]:  # noqa: ARG001
            return x

        predict([1.0, 2.0, 3.0])
    assert any('features=lambda x, id=None: [{"x": value} for value in x])' in line for line in capture.log)


def test_a_result_whose_fields_raise_is_counted_once() -> None:
    class Hostile(Answer):
        def __getattribute__(self, name: str) -> Any:
            if name == "probability":
                raise ZeroDivisionError
            return super().__getattribute__(name)

    capture = captured(BINARY, {"x": 1.0}, Hostile("1", 0.25))
    assert [(loss.reason, loss.count) for loss in capture.lost] == [("ZeroDivisionError", 1), ("unread_result", 1)]


@pytest.mark.parametrize(
    "result",
    [
        pd.DataFrame({"probability": [0.3, 0.8], "label": [0, 1]}),
        [(0.3, 0.0), (0.8, 1.0)],
        np.array([[0.3, 0], [0.8, 1]]),
    ],
    ids=["frame", "pairs", "array"],
)
def test_a_probability_and_a_class_are_not_the_scores_of_two_classes(result: Any) -> None:
    capture = captured(BINARY, [{"x": 1.0}, {"x": 2.0}], result)
    assert [prediction.score for prediction in capture.predictions] == [None, None]
    assert [(loss.reason, loss.count) for loss in capture.lost] == [("unread_result", 2)]


@pytest.mark.parametrize(
    "given", [pd.DataFrame({"x": [1.0]}), [{"x": 1.0}], np.array([[1.0, 2.0]]), {"x": [1], "y": [2]}]
)
def test_the_only_row_of_a_batch_has_the_id_of_the_call(given: Any) -> None:
    with driftline.testing.capture() as capture:
        model = driftline.Model("m", task="binary")
        model.predict(lambda rows, order_id: 0.25, id="order_id")(given, "A-1")  # noqa: ARG005
        model.outcome("A-1", actual=1)
    assert [prediction.id for prediction in capture.predictions] == [capture.outcomes[0].id] == ["A-1"]


def test_one_nested_object_is_not_a_table() -> None:
    capture = captured(BINARY, {"user": {"id": 7}, "amount": {"id": 8}}, 0.25)
    assert [prediction.features for prediction in capture.predictions] == [{"user": None, "amount": None}]


def test_texts_of_numpy_are_texts() -> None:
    capture = captured(BINARY, [np.str_("good film"), np.str_("bad film")], [0.9, 0.8])
    assert [(p.features, p.score) for p in capture.predictions] == [({"x": "good film"}, 0.9), ({"x": "bad film"}, 0.8)]


UNCLEAR: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "texts": (TEXTS, [{"x": "good film"}, {"x": "bad film"}]),
    "columns": (
        {"age": [30.0, 40.5], "visits": [1.0, 2.0]},
        [{"age": 30.0, "visits": 1.0}, {"age": 40.5, "visits": 2.0}],
    ),
}


def captured_calls(given: Any, results: list[Any], **selectors: Any) -> Capture:
    """Call a function once per result."""
    with driftline.testing.capture(raising=False) as capture:

        @driftline.Model("m", task="binary").predict(**selectors)
        def predict(x: Any) -> Any:  # noqa: ARG001
            return next(returned)

        returned = iter(results)
        for _ in results:
            predict(given)
    return capture


@pytest.mark.parametrize("given", UNCLEAR)
@pytest.mark.parametrize("form", [list, np.array, tuple], ids=["list", "array", "selected"])
def test_after_a_result_per_row_scores_with_the_sum_1_are_a_result_per_row(given: str, form: Any) -> None:
    value, rows = UNCLEAR[given]
    selectors: dict[str, Any] = {"score": lambda result: list(result)} if form is tuple else {}
    results = [(0.9, 0.8), (0.3, 0.7), (0.5, 0.5), (0.1, 0.2)]
    capture = captured_calls(value, list(map(form, results)), **selectors)
    assert [(p.features, p.score) for p in capture.predictions] == [
        (row, score) for scores in results for row, score in zip(rows, scores, strict=True)
    ]
    assert len(capture.log) == 1
    assert capture.log[0].endswith("as the score of class '1' (threshold 0.5)")


@pytest.mark.parametrize("given", UNCLEAR)
def test_a_result_per_row_after_scores_with_the_sum_1_is_logged_with_the_fix(given: str) -> None:
    value, rows = UNCLEAR[given]
    results = [[0.3, 0.7], [0.9, 0.8], [0.3, 0.7], [0.1, 0.2]]
    capture = captured_calls(value, results)
    assert [p.score for p in capture.predictions] == [0.7, 0.9, 0.8, 0.3, 0.7, 0.1, 0.2]
    (line,) = [line for line in capture.log if "earlier inputs" in line]
    line, _, code = line.partition(": @m.predict(features=")
    assert line == (
        "driftline: m.predict returned a result per value for an input of 2 values; earlier inputs, whose results "
        "could also be the class scores of one row, were recorded as one row, and later ones are recorded as a row "
        "per value; pass rows"
    )
    followed = captured_calls(value, results, features=eval(code.removesuffix(")")))
    assert [(p.features, p.score) for p in followed.predictions] == [
        (row, score) for scores in results for row, score in zip(rows, scores, strict=True)
    ]


def test_a_function_of_one_row_keeps_its_reading() -> None:
    capture = captured_calls(TEXTS, [[0.3, 0.7], 0.25, [0.5, 0.5]])
    assert [p.score for p in capture.predictions] == [0.7, 0.25, 0.5]
    assert not [line for line in capture.log if "earlier inputs" in line]


ROWS = [{"x": 1.0}, {"x": 2.0}]


@pytest.mark.parametrize(
    ("ids", "rows", "expected"),
    [
        (["a", "b"], ROWS, ["a", "b"]),
        (("a", "b"), ROWS, ["a", "b"]),
        (np.array(["a", "b"]), ROWS, ["a", "b"]),
        (np.array([2**53 + 1, 7]), ROWS, ["9007199254740993", "7"]),
        (pd.Series(["a", "b"]), ROWS, ["a", "b"]),
        (pl.Series(["a", "b"]), ROWS, ["a", "b"]),
        (pa.array(["a", "b"]), ROWS, ["a", "b"]),
        ("a", ROWS, ["a.0", "a.1"]),
        (["a"], ROWS[0], ["a"]),
        (np.array(["a"]), ROWS[0], ["a"]),
        (("a", 1), ROWS[0], ["('a', 1)"]),
        (np.array(7), ROWS[0], ["7"]),
        ("a", ROWS[0], ["a"]),
    ],
    ids=lambda given: type(given).__name__,
)
@pytest.mark.parametrize("kind", ["block", "decorated"])
def test_ids_are_those_of_the_rows_also_if_only_an_inner_prediction_knows_the_rows(
    kind: str, ids: Any, rows: Any, expected: list[str]
) -> None:
    model = driftline.Model("m", task="binary")
    result = 0.25 if isinstance(rows, dict) else [0.25, 0.75]

    @model.predict
    def estimator(x: Any) -> Any:  # noqa: ARG001
        return result

    @model.predict(id="keys", features=lambda keys: None)  # noqa: ARG005
    def handler(keys: Any) -> Any:  # noqa: ARG001
        return estimator(rows)

    with driftline.testing.capture() as capture:
        if kind == "decorated":
            handler(ids)
        else:
            with model.prediction(id=ids):
                estimator(rows)
    assert [row.id for row in capture.predictions] == expected
    assert capture.lost == []


def test_an_iterator_of_ids_is_left_to_the_function() -> None:
    ids = iter(["a", "b"])

    @driftline.Model("m", task="binary").predict(id="keys")
    def predict(x: Any, keys: Any) -> list[float]:  # noqa: ARG001
        return [0.25, 0.75]

    with driftline.testing.capture(raising=False) as capture:
        predict(ROWS, ids)
    assert list(ids) == ["a", "b"]
    assert [line for line in capture.log if "cannot be an id" in line]


def test_ids_of_an_inner_batch_are_not_the_id_of_an_outer_row() -> None:
    model = driftline.Model("m", task="binary")

    @model.predict(id="keys")
    def candidates(x: Any, keys: list[str]) -> list[float]:  # noqa: ARG001
        return [0.25, 0.75]

    with driftline.testing.capture() as capture, model.prediction(features={"y": 1.0}, id="A-1") as prediction:
        candidates(ROWS, ["a", "b"])
        prediction.score = 0.75
    assert [row.id for row in capture.predictions] == ["A-1"]


def in_any_order(kind: str) -> list[tuple[str, float]]:
    """Return id and score of each recorded row of a function that returns its scores in the order ``kind``."""
    frame = pd.DataFrame({"id": list("abc"), "x": [1.0, 9.0, 5.0]}, index=[7, 3, 5])
    model, regression = driftline.Model("m", task="binary"), driftline.Model("n", task="regression")
    scores = (frame["x"] / 10).sort_values()
    functions: dict[str, Any] = {
        "sorted": lambda rows: (rows["x"] / 10).sort_values(),
        "reversed": lambda rows: (rows["x"] / 10)[::-1],
        "frame": lambda rows: (rows[["x"]] / 10).sort_values("x"),
        "classes": lambda rows: pd.DataFrame({"0": 1 - rows["x"] / 10, "1": rows["x"] / 10}).sort_values("1"),
        "concatenated": lambda rows: pd.concat([rows.loc[[3], "x"], rows.loc[[7, 5], "x"]]) / 10,
        "new index": lambda rows: pd.Series((rows["x"] / 10).tolist()),
        "same": lambda rows: rows["x"] / 10,
    }
    with driftline.testing.capture() as capture:
        if kind in functions:
            model.predict(functions[kind], id="id")(frame)
        elif kind == "selected":
            model.predict(lambda rows: {"p": scores}, id="id", score="p")(frame)  # noqa: ARG005
        elif kind == "block":
            with model.prediction(features=frame, id="id") as prediction:
                prediction.score = scores
        elif kind == "value":
            with regression.prediction(features=frame, id="id") as prediction:
                prediction.predicted = scores
        elif kind == "series":
            column = frame["x"].sort_index()
            model.predict(lambda x, keys: (x / 10).sort_values(), id="keys")(column, ["b", "c", "a"])  # noqa: ARG005
    assert capture.log == [line for line in capture.log if "recorded" in line]
    return [(row.id, row.score) for row in capture.predictions]


@pytest.mark.parametrize(
    "kind",
    ["sorted", "reversed", "frame", "classes", "concatenated", "new index", "same", "selected", "block", "value"],
)
def test_a_result_with_the_index_of_its_input_in_another_order_is_matched_by_the_index(kind: str) -> None:
    assert in_any_order(kind) == [("a", 0.1), ("b", 0.9), ("c", 0.5)]


def test_a_result_of_a_column_is_matched_by_its_index() -> None:
    assert in_any_order("series") == [("b", 0.9), ("c", 0.5), ("a", 0.1)]


def test_a_new_index_of_a_shuffled_frame_is_a_position() -> None:
    frame = pd.DataFrame({"id": list("abc"), "x": [1.0, 9.0, 5.0]}, index=[2, 0, 1])
    with driftline.testing.capture() as capture:
        driftline.Model("m", task="binary").predict(lambda rows: pd.Series((rows["x"] / 10).tolist()), id="id")(frame)
    assert [(row.id, row.score) for row in capture.predictions] == [("a", 0.1), ("b", 0.9), ("c", 0.5)]


@pytest.mark.parametrize(
    "result",
    [
        pd.Series([0.1, 0.5, 0.9], index=["a", "c", "b"]),
        pd.Series([0.1, 0.5, 0.9], index=[0, 0, 1]),
        pd.DataFrame({"p": [0.1, 0.5, 0.9]}, index=[9, 8, 7]),
    ],
    ids=["other labels", "duplicates", "frame"],
)
def test_a_result_that_an_index_cannot_match_has_a_line(result: Any) -> None:
    capture = captured(BINARY, pd.DataFrame({"x": [1.0, 9.0, 5.0]}), result)
    assert [row.score for row in capture.predictions] == [0.1, 0.5, 0.9]
    assert len([line for line in capture.log if "matched with the rows of the input by their position" in line]) == 1


_INNER: dict[str, tuple[Any, Any]] = {"proba": (0.7, None), "predict": (None, "no"), "both": (0.7, "no")}
_OUTER: dict[str, tuple[Any, Any]] = {
    "class": (None, "yes"),
    "score": (0.25, None),
    "both": (0.25, "yes"),
    "unread": (None, None),
    "none": (None, None),
}


@pytest.mark.parametrize("rows", [ROWS[0], ROWS], ids=["one row", "batch"])
@pytest.mark.parametrize("way", ["returned", "assigned", "assigned before"])
@pytest.mark.parametrize("inner", _INNER)
@pytest.mark.parametrize("outer", _OUTER)
def test_the_inner_prediction_adds_the_score_or_the_class_that_the_outer_one_does_not_have(
    outer: str, inner: str, way: str, rows: Any
) -> None:
    model = driftline.Model("m", task="binary", classes=("no", "yes"), positive_class="yes")

    def of_rows(value: Any) -> Any:
        return value if isinstance(rows, dict) else [value] * len(rows)

    def assign(prediction: driftline.Prediction | None, score: Any, predicted: Any) -> None:
        assert prediction is not None
        if score is not None:
            prediction.score = of_rows(score)
        if predicted is not None:
            prediction.predicted = of_rows(predicted)

    @model.predict
    def serve(x: Any) -> Any:
        score, decision = _OUTER[outer]
        if way == "assigned before":
            assign(driftline.current(), score, decision)
        with model.prediction(features=x) as prediction:
            assign(prediction, *_INNER[inner])
        if way == "assigned" or outer == "both":
            assign(driftline.current(), score, decision)
        if outer == "unread":
            return {"note": "about the call"}
        return of_rows(decision if score is None else score) if way == "returned" and outer != "none" else None

    with driftline.testing.capture() as capture:
        serve(rows)
    score, decision = (
        own if own is not None else of_inner for own, of_inner in zip(_OUTER[outer], _INNER[inner], strict=True)
    )
    derived = "" if score is None else "yes" if score >= 0.5 else "no"
    assert [(row.score, row.predicted) for row in capture.predictions] == of_rows_list(
        rows, (score, decision or derived)
    )
    assert capture.lost == []


def of_rows_list(rows: Any, value: Any) -> list[Any]:
    """Return the value once for one row, else once per row."""
    return [value] * (1 if isinstance(rows, dict) else len(rows))


def test_the_scores_of_other_rows_are_not_those_of_an_outer_class() -> None:
    model = driftline.Model("m", task="binary")

    @model.predict
    def candidates(x: Any) -> list[float]:  # noqa: ARG001
        return [0.25, 0.75]

    @model.predict
    def serve(row: dict[str, float]) -> bool:  # noqa: ARG001
        candidates(ROWS)
        return True

    with driftline.testing.capture() as capture:
        serve(ROWS[0])
    assert [(row.score, row.predicted) for row in capture.predictions] == [(None, "1")]


NAMED: dict[str, Any] = {"task": "binary", "classes": ("no", "yes"), "positive_class": "yes"}


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ((0.25, 0.75), [(0.25, "no"), (0.75, "yes")]),
        ((np.float64(0.25), 0.75), [(0.25, "no"), (0.75, "yes")]),
        ((0.25, None), [(0.25, "no"), (None, "")]),
        (("yes", "no"), [(None, "yes"), (None, "no")]),
        (({"no": 0.75, "yes": 0.25}, {"no": 0.25, "yes": 0.75}), [(0.25, "no"), (0.75, "yes")]),
        ((0.25, 0.75, 0.5), [(0.25, "no"), (0.75, "yes"), (0.5, "yes")]),
        (([0.75, 0.25], [0.25, 0.75], [0.5, 0.5]), [(0.25, "no"), (0.75, "yes"), (0.5, "yes")]),
        ((np.array([0.75, 0.25]),) * 3, [(0.25, "no")] * 3),
        ((0.75,), [(0.75, "yes")]),
    ],
    ids=str,
)
def test_a_tuple_of_one_result_per_row_is_read_as_a_list(results: Any, expected: Any) -> None:
    with driftline.testing.capture() as capture:
        driftline.Model("m", **NAMED).predict(lambda rows: results)([{"x": 1.0}] * len(results))  # noqa: ARG005
    assert [(row.score, row.predicted) for row in capture.predictions] == expected
    assert [loss for loss in capture.lost if loss.reason == "unread_result"] == []


@pytest.mark.parametrize(
    ("results", "listed"),
    [
        (("yes", 0.75), ["yes", "no"]),
        ((1, 0.75), [1, 0.75]),
        (([0.25, 0.75], [0.5, 0.5]), [0.25, 0.75]),
        ((np.array([0.25, 0.75]), ["no", "yes"]), [0.25, 0.75]),
        ((0.75, {"explain": 1}), [0.75, 0.25]),
    ],
    ids=str,
)
def test_a_tuple_that_may_be_the_parts_of_a_result_is_unread_and_its_advice_works(results: Any, listed: Any) -> None:
    def lost_after(function: Any, given: Any = ROWS, **options: Any) -> tuple[int, list[str]]:
        with driftline.testing.capture(raising=False) as capture:
            driftline.Model("m", **NAMED).predict(**options)(function)(given)
        return len(capture.lost), capture.log

    lost, (line, *_) = lost_after(lambda x: results)  # noqa: ARG005
    assert lost == 1
    code = line.partition("@m.predict(")[2].removesuffix(")")
    assert lost_after(lambda x: results, **eval(f"dict({code})"))[0] == 0  # noqa: ARG005
    if "in a list" in line:
        assert lost_after(lambda x: listed)[0] == 0  # noqa: ARG005
