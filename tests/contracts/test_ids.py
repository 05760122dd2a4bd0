"""An id has one text, whatever its type and whichever way it enters: a prediction and its outcome always join."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import driftline
import driftline.testing
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from driftline.capture.outcome import outcome_of
from driftline.integration.recorder import Recorder
from driftline.outcomes import fields_of
from driftline.semconv import attributes as a
from driftline.tables.column_codec import strings
from driftline.tables.ids import id_text
from driftline_processor.cli.outcome_upload import OutcomeColumns, split_outcomes
from driftline_processor.core.decode.requests import decode_logs, decode_traces
from driftline_processor.readers.arrow_columns import ids
from driftline_processor.readers.outcomes.documents import parse_csv, parse_json, parse_ndjson
from driftline_processor.readers.outcomes.messages import outcome_tables
from driftline_processor.readers.sources import open_source
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from tests.support.churn_files import Run
from tests.support.files_of_rows import FILES
from tests.support.otlp_requests import logs, record, span, traces
from tests.support.sdk_fixtures import _inside as _inside
from tests.support.service import NOW, Service
from tests.support.state_rows import HOUR, Clock, Opened


class Color(Enum):
    RED = "red"
    SEVEN = 7


class Plan(StrEnum):
    GOLD = "gold"


class Key(NamedTuple):
    shop: str
    order: int


@dataclass
class Data:
    id: Any
    x: float = 1.0


class Pydantic(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    id: Any
    x: float = 1.0


class Named(NamedTuple):
    x: float
    id: Any


KNOWN: list[tuple[Any, str]] = [
    (17, "17"),
    ("17", "17"),
    (" A-1 ", "A-1"),
    (17.0, "17"),
    (-3, "-3"),
    (2**53 + 1, "9007199254740993"),
    (2**63 - 1, "9223372036854775807"),
    (2**63, "9223372036854775808"),
    (2**64 - 1, "18446744073709551615"),
    (2**64, "18446744073709551616"),
    (-(2**63) - 1, "-9223372036854775809"),
    (1e15, "1000000000000000"),
    (0.5, "0.5"),
    (1e-7, "1e-07"),
    ("naïve ✓", "naïve ✓"),
    ("x" * 300, "x" * 300),
    (Decimal("17.10"), "17.10"),
    (Decimal("17.00"), "17"),
    (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    (datetime(2026, 1, 5, 12), "2026-01-05 12:00:00"),
    (datetime(2026, 1, 5, 12, 0, 0, 500, tzinfo=UTC), "2026-01-05 12:00:00.000500+00:00"),
    (datetime(2026, 1, 5, 12, tzinfo=timezone(timedelta(hours=1))), "2026-01-05 11:00:00+00:00"),
    (date(2026, 1, 5), "2026-01-05"),
    (pd.Timestamp("2026-01-05 12:00:00.000000001"), "2026-01-05 12:00:00.000000001"),
    (np.datetime64("2026-01-05T12:00:00.000000000"), "2026-01-05 12:00:00"),
    (np.datetime64("2026-01-05T12:00:00.5"), "2026-01-05 12:00:00.500000"),
    (np.datetime64("2026-01-05T12:00:00.000000001"), "2026-01-05 12:00:00.000000001"),
    (np.int64(2**53 + 1), "9007199254740993"),
    (np.uint64(2**64 - 1), "18446744073709551615"),
    (np.int8(5), "5"),
    (np.float32(17.0), "17"),
    (np.str_("A-1"), "A-1"),
    (b"A-1", "A-1"),
    (b"\xff\x00", "ff00"),
    (bytearray(b"A-1"), "A-1"),
    (bytearray(b"\xff\x00"), "ff00"),
    (np.bytes_(b"A-1"), "A-1"),
    (("A", 1), "('A', 1)"),
    ((np.str_("A"), np.int64(1)), "('A', 1)"),
    (Key("A", 1), "('A', 1)"),
    (Color.RED, "red"),
    (Color.SEVEN, "7"),
    (Plan.GOLD, "gold"),
]
"""Ids and their texts."""

TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=20)
VALUES = st.one_of(
    TEXTS.map("k{}".format),
    st.integers(-(2**70), 2**70),
    st.integers(-(2**53) + 1, 2**53 - 1).map(float),
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
    st.integers(0, 2**64 - 1).map(np.uint64),
    st.decimals(-(10**12), 10**12, places=2),
    st.uuids(),
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    st.dates(date(1900, 1, 1), date(2200, 1, 1)),
    st.integers(0, 2**62).map(lambda value: np.datetime64(value, "ns")),
    st.integers(0, 2**62).map(pd.Timestamp),
    st.tuples(TEXTS, st.integers()),
    st.sampled_from([*Color, *Plan]),
    st.binary(min_size=1, max_size=20).filter(lambda value: value.strip() == value and value.strip(b"\0") != b""),
)

Write = Callable[[driftline.Model, Any], object]
"""Make predictions, or send outcomes, with the id."""


def field_of_a_row(make: Callable[[Any], Any], rows: bool = False) -> Write:
    """Return what predicts an input three times, so that the fast path is used too."""

    def write(model: driftline.Model, value: Any) -> None:
        score: Any = model.predict(lambda row: [0.25] if rows else 0.25, id="id")  # noqa: ARG005
        for _ in range(3):
            score(make(value))

    return write


def _argument(model: driftline.Model, value: Any) -> None:
    @model.predict(id="key")
    def score(row: dict[str, float], key: Any) -> float:  # noqa: ARG001
        return 0.25

    score({"x": 1.0}, value)
    score({"x": 1.0}, key=value)


def _awaited(model: driftline.Model, value: Any) -> None:
    @model.predict(id="id")
    async def score(row: dict[str, Any]) -> float:  # noqa: ARG001
        return 0.25

    asyncio.run(score({"id": value, "x": 1.0}))
    asyncio.run(score({"id": value, "x": 1.0}))


def _current(model: driftline.Model, value: Any) -> None:
    @model.predict
    def score(row: dict[str, float]) -> float:  # noqa: ARG001
        prediction = driftline.current()
        assert prediction is not None
        prediction.id = value
        return 0.25

    score({"x": 1.0})
    score({"x": 1.0})


def _block(model: driftline.Model, value: Any) -> None:
    with model.prediction(features={"x": 1.0}, id=value) as prediction:
        prediction.score = 0.25


def _computed_features(model: driftline.Model, value: Any) -> None:
    features: Any = lambda row: {"x": row["x"] * 2}  # noqa: E731
    score: Any = model.predict(lambda row: 0.25, id="id", features=features)  # noqa: ARG005
    score({"id": value, "x": 1.0})
    score(_frame_of_objects(value).iloc[0])
    score(_structured(value)[0])


def _recorded(model: driftline.Model, value: Any) -> None:
    recorder = Recorder(model, "recorder", id_field="id")
    recorder.close(recorder.open({"id": value, "x": 1.0}), 0.25)


def _structured(value: Any) -> Any:
    array = np.empty(1, dtype=[("id", object), ("x", float)])
    array["id"][0], array["x"][0] = value, 1.0
    return array


def _frame_of_objects(value: Any) -> pd.DataFrame:
    column = np.empty(1, object)
    column[0] = value
    return pd.DataFrame({"id": column, "x": [1.0]})


def _ids_of_a_batch(model: driftline.Model, value: Any) -> None:
    score: Any = model.predict(lambda rows, ids: [0.25], id="ids", features="rows")  # noqa: ARG005
    score([{"x": 1.0}], [value])
    score(pd.DataFrame({"x": [1.0]}), _frame_of_objects(value)["id"])


def _frame(value: Any) -> pd.DataFrame:
    return pd.DataFrame({"id": [value], "x": [1.0]})


def _arrow(value: Any) -> Any:
    try:
        return pa.table(
            {"id": pa.array(pd.Series([value]) if isinstance(value, pd.Timestamp) else [value]), "x": [1.0]}
        )
    except (pa.ArrowException, OverflowError, TypeError):  # it has no type for the value
        return _frame_of_objects(value)


def _polars(value: Any) -> Any:
    if isinstance(value, tuple | Enum | np.generic | pd.Timestamp) or (isinstance(value, int) and abs(value) >= 2**63):
        return _frame_of_objects(value)
    return pl.DataFrame({"id": [value], "x": [1.0]}, strict=False)


PREDICTIONS: dict[str, Write] = {
    "an argument": _argument,
    "a dict": field_of_a_row(lambda value: {"id": value, "x": 1.0}),
    "a mapping": field_of_a_row(lambda value: MappingProxyType({"id": value, "x": 1.0})),
    "a data class": field_of_a_row(Data),
    "a pydantic model": field_of_a_row(lambda value: Pydantic(id=value)),
    "a named tuple": field_of_a_row(lambda value: Named(1.0, value)),
    "a series": field_of_a_row(lambda value: _frame_of_objects(value).iloc[0]),
    "awaited": _awaited,
    "current().id": _current,
    "a block": _block,
    "a function": lambda model, value: model.predict(lambda row: 0.25, id=lambda row: row["id"])({"id": value}),  # noqa: ARG005
    "computed features": _computed_features,
    "a recorder": _recorded,
    "a list of dicts": field_of_a_row(lambda value: [{"id": value, "x": 1.0}], rows=True),
    "a list of data classes": field_of_a_row(lambda value: [Data(value)], rows=True),
    "a list of named tuples": field_of_a_row(lambda value: [Named(1.0, value)], rows=True),
    "a structured array": field_of_a_row(_structured, rows=True),
    "a frame of objects": field_of_a_row(_frame_of_objects, rows=True),
    "a frame": field_of_a_row(_frame, rows=True),
    "an Arrow table": field_of_a_row(_arrow, rows=True),
    "a frame of polars": field_of_a_row(_polars, rows=True),
    "ids of a batch": _ids_of_a_batch,
}


def _texts_of_predictions(value: Any) -> dict[str, set[str]]:
    """Return the texts of the id in records and on spans: alternative → texts."""
    service = Service()
    texts: dict[str, set[str]] = {}
    for name, write in PREDICTIONS.items():
        write(service.model(name), value)
        texts[name] = set()
    for table in service.tables():
        texts[table.key.model].update(strings(table.id))
    for finished in service.spans:
        attributes = finished.attributes or {}
        if a.ML_PREDICTION_COUNT not in attributes:  # the id of a batch is not that of a row
            texts[str(attributes[a.ML_MODEL_NAME])].add(str(attributes[a.ML_PREDICTION_ID]))
    return texts


Rows = Callable[[Any], Any]
OUTCOMES: dict[str, Rows] = {
    "dicts": lambda value: [{"id": value, "actual": 1}],
    "tuples": lambda value: [(value, 1)],
    "columns": lambda value: {"id": [value], "actual": [1]},
    "a frame": lambda value: _frame(value).rename(columns={"x": "actual"}),
    "a frame of objects": lambda value: _frame_of_objects(value).rename(columns={"x": "actual"}),
    "an Arrow table": lambda value: _renamed(_arrow(value)),
    "a frame of polars": lambda value: _renamed(_polars(value)),
}
"""Forms of ``Model.outcomes``."""


def _renamed(frame: Any) -> Any:
    if isinstance(frame, pd.DataFrame):
        return frame.rename(columns={"x": "actual"})
    return frame.rename_columns(["id", "actual"]) if isinstance(frame, pa.Table) else frame.rename({"x": "actual"})


def _posted(outcomes: list[dict[str, Any]]) -> set[str]:
    """Return the ids as JSON, NDJSON, CSV and as messages of a topic bring them."""
    lines = "\n".join(map(json.dumps, outcomes)).encode()
    document = json.dumps({"model": "churn", "outcomes": outcomes}).encode()
    parsed = [parse_json(document, None, None), parse_ndjson(lines, "churn", None)]
    cells = io.StringIO()
    writer = csv.writer(cells)
    writer.writerows([("id", "actual"), *((outcome["id"], 1) for outcome in outcomes)])
    parsed.append(parse_csv(cells.getvalue().encode(), "churn", None))
    tables, rejected = outcome_tables([document], False, "churn", None, NOW)
    assert not rejected
    assert not any(document.rejections for document in parsed)
    texts = {text for document in parsed for text in document.rows.id.to_pylist()}
    return texts | {text for table in tables for text in strings(table.id)}


def _sent(model: driftline.Model, form: Rows, value: Any) -> set[str]:
    return _posted([outcome_of(model._identity, 0, **fields).fields() for fields in fields_of(form(value))])


def _texts_of_outcomes(value: Any) -> set[str]:
    """Return the texts of the id as every way of sending an outcome makes them."""
    service = Service()
    model = service.model()
    model.outcome(value, actual=1)
    texts = {text for table in service.outcomes() for text in strings(table.id)}
    for form in OUTCOMES.values():
        texts |= _sent(model, form, value)
    if isinstance(value, str | int | float) and not isinstance(value, Enum | np.generic):
        texts |= _posted([{"id": value, "actual": 1}])
        texts |= _posted([{"id": value, "actual": 1}, {"id": value, "actual": 0}])
    return texts


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_a_prediction_and_its_outcome_have_one_id(value: Any) -> None:
    text = id_text(value)
    assert text
    assert _texts_of_outcomes(value) == {text}
    assert _texts_of_predictions(value) == {name: {text} for name in PREDICTIONS}


@pytest.mark.parametrize(("value", "text"), KNOWN, ids=[f"{value!r:.60}" for value, _ in KNOWN])
def test_the_text_of_an_id(value: Any, text: str) -> None:
    assert id_text(value) == text
    assert _texts_of_outcomes(value) == {text}
    assert _texts_of_predictions(value) == {name: {text} for name in PREDICTIONS}


@pytest.mark.slow
def test_outcomes_are_joined_to_the_predictions_of_every_alternative(state: Opened, clock: Clock) -> None:
    clock.now = NOW + HOUR
    service = Service()
    values = list({text: value for value, text in KNOWN}.values())
    for name, write in PREDICTIONS.items():
        model = service.model(name)
        for value in values:
            write(model, value)
            model.outcome(value, actual=1)
    predicted, happened = service.tables(), service.outcomes()

    state.send(*predicted, *happened)
    state.state.settle()

    rows = state.rows("SELECT DISTINCT p.series, p.id FROM joined j JOIN predictions p ON p.seq = j.prediction")
    assert {str(id) for _, id in rows} == {text for _, text in KNOWN}
    assert (
        len(rows)
        == len(values) * len(PREDICTIONS)
        == len({(table.key, text) for table in predicted for text in strings(table.id)})
    )


ITEMS = [uuid.UUID(int=7), 2**64 - 1, np.uint64(2**64 - 1), 17, "x" * 300]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: f"{item!r:.30}")
def test_an_item_of_a_ranking_has_the_text_of_its_outcome(item: Any) -> None:
    service = Service()
    shelf = service.model("shelf", "ranking")
    results: list[Any] = [[item, "b"], [(item, 0.5), ("b", 0.25)], {item: 0.5, "b": 0.25}]
    for result in results:
        shelf.predict(lambda row, result=result: result)({"x": 1.0})  # noqa: ARG005
    shelf.outcome("A-1", actual=1, item=item)
    shelf.outcome("A-2", actual=[item])

    items = [table.items for table in service.tables()]
    assert {ranked.ids.categories[0] for ranked in items if ranked is not None} == {id_text(item)}
    (outcomes,) = service.outcomes()
    assert outcomes.item is not None
    assert strings(outcomes.item) == [id_text(item), ""]
    assert outcomes.actual.categories == ("1", json.dumps([id_text(item)]))


NUMBERS = [17, None, 2**53 + 1, 2**63, 2**64 - 1, -3]
"""Integers that double-precision floats do not have, with a missing value."""


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("others", [[], [0.5], ["A-1"]], ids=["integers", "and a float", "and a text"])
def test_an_integer_in_a_file_keeps_its_digits(tmp_path: Path, kind: str, others: list[Any]) -> None:
    if kind == "parquet" and others:
        pytest.skip("a column of Parquet has one type")
    path = tmp_path / f"rows.{kind}"
    FILES[kind]({"id": [*NUMBERS, *others]}, path)

    source = open_source(path, {"id"}, print)

    texts = [None if text == "" else text for text in ids(source.column("id")).to_pylist()]
    assert texts == [None if value is None else str(value) for value in [*NUMBERS, *others]]
    batches = [text for batch in source.batches({"id"}) for text in ids(batch.column("id")).to_pylist()]
    assert [text or None for text in batches] == texts


@pytest.mark.slow
@pytest.mark.parametrize("outcomes", FILES)
def test_predictions_of_one_file_join_outcomes_of_another(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcomes: str
) -> None:
    monkeypatch.chdir(tmp_path)
    keys = [2**63 + number for number in range(200)]
    for kind, write in FILES.items():
        rows: dict[str, list[Any]] = {
            "id": keys,
            "score": [0.1, 0.9] * 100,
            "x": [float(number) for number in range(200)],
        }
        write(rows, tmp_path / f"rows.{kind}")
    FILES[outcomes]({"id": keys, "actual": [0, 1] * 100}, tmp_path / f"outcomes.{outcomes}")

    for kind in FILES:
        options = ("--task", "binary", "--outcomes", f"outcomes.{outcomes}", "--json")
        result = run("evaluate", f"rows.{kind}", "--baseline", "rows.parquet", *options)
        assert result.exit_code == 0, result.stderr
        (window,) = json.loads(result.stdout)["windows"]
        assert (window["outcomes"]["rows"], window["performance"]["realized"]["accuracy"]["value"]) == (200, 1.0)


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_pushed_has_the_ids_of_the_predictions(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"outcomes.{kind}"
    FILES[kind]({"id": NUMBERS, "actual": [1] * len(NUMBERS)}, path)
    parsers = {"text/csv": parse_csv, "application/x-ndjson": parse_ndjson}

    parsed = [parsers[part.kind](part.body, "churn", None) for part in split_outcomes(path, OutcomeColumns({}), print)]

    texts = [text for document in parsed for text in document.rows.id.to_pylist()]
    assert texts == [str(value) for value in NUMBERS if value is not None]


def test_a_column_of_another_type_has_the_text_of_its_values() -> None:
    moment = datetime(2026, 1, 5, 12, tzinfo=UTC)
    columns = [
        pa.array([uuid.UUID(int=7)], pa.uuid()),
        pa.array([b"\xff" * 16], pa.binary(16)),
        pa.array([Decimal("17.10")]),
        pa.array([moment], pa.timestamp("us", "Europe/Oslo")),
        pa.array([date(2026, 1, 5)]),
        pa.array([1e15, 0.5]),
        pa.array(["A-1"]).dictionary_encode(),
    ]
    texts = [ids(column).to_pylist() for column in columns]
    assert texts == [
        ["00000000-0000-0000-0000-000000000007"],
        ["ff" * 16],
        ["17.10"],
        ["2026-01-05 12:00:00+00:00"],
        ["2026-01-05"],
        ["1000000000000000", "0.5"],
        ["A-1"],
    ]


@pytest.mark.parametrize(("sent", "text"), [(17, "17"), (17.0, "17"), (2**53 + 1, "9007199254740993"), (" A ", "A")])
def test_an_attribute_of_any_type_is_the_same_id(sent: object, text: str) -> None:
    prediction = span({a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_ID: sent, a.ML_PREDICTION_SCORE: 0.5})
    outcome = record("ml.outcome", {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_ID: sent, a.ML_OUTCOME_ACTUAL: 1})
    (predicted,) = decode_traces(traces([prediction]), NOW).predictions
    (happened,) = decode_logs(logs([outcome]), NOW).outcomes
    assert (strings(predicted.id), strings(happened.id)) == ([text], [text])


MISSING: list[Any] = [None, "", " ", float("nan"), float("inf"), pd.NA, pd.NaT, np.datetime64("NaT"), Decimal("NaN")]


@pytest.mark.parametrize("value", MISSING, ids=repr)
def test_a_missing_value_is_no_id(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert id_text(value) == ""
    assert caplog.messages == []


class Unreadable:
    def __str__(self) -> str:
        raise ZeroDivisionError


NO_IDS: list[Any] = [True, {"a": 1}, {1}, object(), Unreadable(), np.zeros(2)]


@pytest.mark.parametrize("value", NO_IDS, ids=lambda value: type(value).__name__)
def test_a_value_that_cannot_be_an_id_is_logged_once(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    service = Service()
    model = service.model()
    score: Any = model.predict(lambda row: 0.25, id="id")  # noqa: ARG005
    for _ in range(3):
        score({"id": value, "x": 1.0})
        model.outcome(value, actual=1)

    (table,) = service.tables()
    assert len(set(strings(table.id))) == len(table) == 3
    assert service.outcomes() == []
    assert [line for line in caplog.messages if "an id" in line or "no id" in line] == [
        f"driftline: a {type(value).__name__} cannot be an id: a prediction gets a generated id, and an outcome is not "
        "recorded; an id is a text, a number, a UUID, a time or a tuple of these",
        "driftline: an outcome of churn was not recorded: it has no id",
    ]


@pytest.mark.parametrize("value", [2.0**53, "9" * 1025], ids=["a float", "a long text"])
def test_an_id_that_lost_digits_is_logged_once(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert [id_text(value), id_text(value)] == [str(value)[:1024].partition(".")[0]] * 2
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("are_rows", [True, False])
def test_a_column_without_a_name_is_a_feature(are_rows: bool) -> None:
    rows = list(csv.DictReader(io.StringIO(",age\n0,31\n1,64\n")))
    with driftline.testing.capture() as captured:
        model = driftline.Model("churn", task="binary")
        score: Any = model.predict(lambda read: [0.25] * len(read) if are_rows else 0.25)
        for _ in range(2):
            for read in [rows] if are_rows else rows:
                score(read)

    assert len({prediction.id for prediction in captured.predictions}) == 4
    assert [dict(prediction.features) for prediction in captured.predictions[:2]] == rows
    assert captured.lost == []
