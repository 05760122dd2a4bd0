"""A value that cannot be recorded is missing, counted with a reason, and logged once with the field and the fix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import driftline
import driftline.testing
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from driftline.privacy.policy import Privacy
from driftline.testing import Capture
from pydantic import BaseModel, SecretStr


class Payment(BaseModel):
    amount: float
    card: SecretStr


NESTED = {"amount": 1.5, "card": {"number": 1}}
COLUMNS = {"amount": [1.5, 2.5], "card": [{"number": 1}, None]}
SECRET = {"amount": 1.5, "card": SecretStr("1")}


def captured(value: Any, **options: Any) -> Capture:
    """Record a value three times, each with as many results as it has rows."""
    with driftline.testing.capture(raising=False) as capture:

        def score(payment: Any) -> Any:
            is_row = isinstance(payment, Mapping | pd.Series | BaseModel)
            rows = 2 if payment is COLUMNS else 0 if is_row else len(payment)
            return [0.25] * rows if rows else 0.25

        score.__qualname__ = "score"
        recorded = driftline.Model("m", task="binary", **options).predict(score)
        for _ in range(3):
            recorded(value)
    return capture


def lines(capture: Capture) -> list[str]:
    return [line for line in capture.log if "recorded a" not in line]


@pytest.mark.parametrize(
    ("value", "kind", "count"),
    [
        (NESTED, " (a dict)", 3),
        (SECRET, " (a SecretStr)", 3),
        (Payment(amount=1.5, card=SecretStr("1")), " (a SecretStr)", 3),
        (pd.Series(NESTED), " (a dict)", 3),
        ({"amount": 1.5, "card": ["a", "b"]}, " (a list)", 3),
        ({"amount": 1.5, "card": 1j}, " (a complex)", 3),
        ({"amount": 1.5, "card": object()}, " (an object)", 3),
        ([NESTED, NESTED], " (a dict)", 6),
        (pd.DataFrame([NESTED, NESTED]), " (a dict)", 6),
        (COLUMNS, " (a dict)", 3),
        (np.array([(1.5, {"number": 1})], [("amount", float), ("card", object)]), " (a dict)", 3),
        (pd.DataFrame({"amount": [1.5], "card": [1j]}), "", 3),
        (pl.DataFrame([NESTED, NESTED]), "", 6),
        (pa.Table.from_pylist([NESTED, NESTED]), "", 6),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_field_is_named_once_with_the_fix(value: Any, kind: str, count: int) -> None:
    capture = captured(value)
    assert [(loss.reason, loss.count) for loss in capture.lost] == [("unsupported_value", count)]
    assert lines(capture) == [
        f"driftline: m.score: 'card' has values that cannot be recorded{kind}; pass numbers, texts, booleans or times, "
        "or record other fields: driftline.Model('m', feature_names=(...)), or "
        "@m.predict(features=lambda payment: {...})"
    ]


@pytest.mark.parametrize(
    ("value", "reason", "text"),
    [
        ({"v": [0.5] * 4097}, "vector_too_long", "'v' has vectors of more than 4,096 numbers"),
        ([{"v": [0.5] * k} for k in (2, 3, 2)], "vector_length", "'v' has vectors of different lengths"),
        (pd.DataFrame(np.ones((2, 2)), columns=["a", "a"]), "duplicate_name", "a second column has the name 'a'"),
        (
            {f"f{i}": 1.0 for i in range(1003)},
            "too_many_features",
            "'f1000' and later fields are after the first 1,000",
        ),
        ([{"a": 1.0}, 2.0], "unsupported_value", "was called with a list whose elements are not all rows"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_reason_is_logged_once(value: Any, reason: str, text: str) -> None:
    capture = captured(value)
    assert [loss.reason for loss in capture.lost] == [reason]
    (line,) = (line for line in lines(capture) if "distributions" not in line)
    assert text in line


@pytest.mark.parametrize(
    "value",
    [{"a": 1.0, "b": None, "c": [], "d": np.nan, "e": pd.NaT, "f": pd.NA}, [{"a": None}, {"a": pd.NA}]],
    ids=str,
)
def test_missing_values_are_neither_counted_nor_logged(value: Any) -> None:
    capture = captured(value)
    assert (capture.lost, lines(capture)) == ([], [])


@pytest.mark.parametrize(
    "options", [{"feature_names": ("amount",)}, {"privacy": Privacy(deny=("card",))}], ids=["names", "privacy"]
)
@pytest.mark.parametrize(
    "value", [NESTED, SECRET, [NESTED], pd.DataFrame([NESTED])], ids=lambda value: type(value).__name__
)
def test_the_fix_of_the_line_works(options: dict[str, Any], value: Any) -> None:
    assert lines(captured(value, **options)) == []


def test_with_privacy_rules_the_field_is_named_too() -> None:
    assert "'card' has values" in lines(captured(NESTED, privacy=Privacy(round={"amount": 1})))[0]
