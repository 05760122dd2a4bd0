"""One class has one text, whatever type it was sent as."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.tables.classes import class_codes, class_column, class_text, number_text, resolve_task, seen_classes
from driftline.tables.table import Column
from driftline.tables.task import Task

from tests.support.facts import Facts, in_order
from tests.support.unwrap import unwrap


@pytest.mark.parametrize(
    "value", [True, 1, 1.0, "1", "1.0", " 1 ", "true", "True", np.int8(1), np.float32(1), np.True_]
)
def test_one_is_one_class_in_any_spelling(value: object) -> None:
    assert class_text(value) == "1"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (False, "0"),
        ("false", "0"),
        (-0.0, "0"),
        ("-0", "0"),
        (-3, "-3"),
        ("-3.00", "-3"),
        (0.5, "0.5"),
        ("0.50", "0.50"),
        ("007", "007"),
        (" churned ", "churned"),
        (b"yes", "yes"),
        (10**400, str(10**400)),
        (2.0**60, "1.152921504606847e+18"),
        (float("inf"), "inf"),
        (float("nan"), ""),
        (None, ""),
        ("", ""),
    ],
)
def test_any_other_value_has_one_text(value: object, text: str) -> None:
    assert class_text(value) == text


def test_numbers_are_written_as_people_write_them() -> None:
    assert [number_text(x) for x in (17.0, -2.5, 1e300, float("nan"))] == ["17", "-2.5", "1e+300", ""]


def test_numbers_and_texts_of_a_column_become_the_same_codes() -> None:
    column = Column(
        numbers=np.array([1.0, np.nan, 0.0, np.nan, np.nan]),
        codes=np.array([-1, 0, -1, 1, -1], np.int32),
        categories=("true", "false", "unused"),
    )
    codes = unwrap(class_codes(column, ("0", "1")))
    assert codes.tolist() == [1, 1, 0, 0, -1]


def test_a_column_without_values_stays_without() -> None:
    assert class_column(Column()).codes is None
    assert class_codes(Column(), ("0", "1")) is None


def test_a_class_nobody_declared_has_a_code_of_its_own() -> None:
    codes = unwrap(class_codes(Column(numbers=np.array([2.0, 1.0, np.nan])), ("0", "1")))
    assert codes.tolist() == [2, 1, -1]


def test_seen_classes_are_in_the_order_of_scikit_learn() -> None:
    text = Column(codes=np.array([1, 0, 1], np.int32), categories=("b", "a", "never seen"))
    assert seen_classes([text]) == ("a", "b")
    assert seen_classes([Column(numbers=np.array([10.0, 9.0]))]) == ("9", "10")


@pytest.mark.parametrize("classes", [None, (0, 1), (False, True), ("0", "1"), (0.0, 1.0)])
def test_the_positive_class_of_zero_and_one_is_one(classes: tuple[object, ...] | None) -> None:
    assert resolve_task("binary", classes=classes) == Task("binary", ("0", "1"), "1", 0.5)


def test_score_columns_keep_the_order_that_was_given() -> None:
    assert resolve_task("binary", classes=[1, 0]) == Task("binary", ("1", "0"), "1", 0.5)


def test_classes_are_learned_from_what_was_seen() -> None:
    seen = [Column(codes=np.array([0, 1], np.int32), categories=("cat", "ant"))]
    assert resolve_task("multiclass", columns=seen).classes == ("ant", "cat")
    assert resolve_task("binary", columns=seen, positive_class="cat", threshold=0.3) == Task(
        "binary", ("ant", "cat"), "cat", 0.3
    )
    assert resolve_task("binary", columns=[Column(numbers=np.array([0.0, 0.0]))]).classes == ("0", "1")


def test_a_regression_has_no_classes() -> None:
    assert resolve_task("regression", columns=[Column(numbers=np.array([1.5]))]) == Task("regression")


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        ({"kind": ["binary"]}, ("['binary']",)),
        ({"kind": "clustering"}, ("'binary'", "'multiclass'", "'regression'", "'ranking'")),
        ({"kind": "binary", "classes": ["no", "yes"]}, ("positive_class=",)),
        ({"kind": "binary", "classes": ["a", "b"], "positive_class": "c"}, ("'c', which is not one of the classes",)),
        ({"kind": "binary", "classes": ["a", "b", "c"]}, ("a binary model has two classes, but 3 were given",)),
        ({"kind": "binary", "classes": ["a", "a"]}, ("each class must be listed once",)),
        ({"kind": "binary", "threshold": 7.0}, ("7.0", "between 0")),
        ({"kind": "multiclass"}, ("classes=[...]",)),
        ({"kind": "multiclass", "classes": ["a", "b"], "score_columns": 3}, ("3 score", "2 classes")),
    ],
)
def test_what_cannot_be_known_is_refused_with_the_fix(arguments: dict[str, object], facts: Facts) -> None:
    with pytest.raises(ValueError, match=in_order(*facts)):
        resolve_task(**arguments)  # type: ignore[arg-type]
