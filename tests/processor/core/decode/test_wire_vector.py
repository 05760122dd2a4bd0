"""The test vector of the columnar record: bytes to rows and rows to bytes, by our code and by the page alone."""

from __future__ import annotations

import json
import re
import struct
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from driftline.semconv import attributes as a
from driftline.tables.column_codec import Value, encode_column, strings, texts
from driftline.tables.table import Column, ModelKey
from driftline_processor.core.decode.requests import decode_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.support.otlp_requests import FEATURE
from tests.support.paths import ROOT

VECTOR: dict[str, Any] = json.loads((ROOT / "docs/reference/columnar-record.json").read_text(encoding="utf-8"))
ROWS: list[dict[str, Any]] = VECTOR["rows"]
COLUMNS: dict[str, str] = VECTOR["columns"]
NUMBERS = {"d": np.float64, "f": np.float32, "q": np.int64, "i": np.int32, "h": np.int16, "b": np.int8, "?": np.bool_}


def values_of(name: str) -> list[Any]:
    return [row[name] for row in ROWS]


def encoded(kind: str, values: list[Any]) -> bytes:
    """Encode the values of a column with our codec."""
    names = tuple(dict.fromkeys(value for value in values if isinstance(value, str)))
    codes = np.array([names.index(value) if isinstance(value, str) else -1 for value in values], np.int32)
    column: Value
    if kind == "s":
        column = texts(values)
    elif kind == "v":
        column = np.array([bytes.fromhex(value) for value in values], f"V{len(values[0]) // 2}")
    elif kind == "c":
        column = Column(codes=codes, categories=names)
    elif kind == "m":
        numbers = np.array([value if isinstance(value, float | int) else np.nan for value in values])
        column = Column(numbers, codes, names)
    else:
        missing = [np.nan, np.nan] if any(isinstance(value, list) for value in values) else np.nan
        column = np.array([missing if value is None else value for value in values], NUMBERS[kind])
    return encode_column(column)


def decoded(data: bytes, n: int) -> list[Any]:
    """Decode a column from the description on the page, without our codec."""
    kind, body = chr(data[-1]), data[:-1]
    if kind in "dfqihb?":
        numbers = [None if value != value else value for (value,) in struct.iter_unpack(f"<{kind}", body)]
        k = len(numbers) // n
        rows = [numbers[row * k : row * k + k] for row in range(n)]
        return numbers if k == 1 else [None if row == [None] * k else row for row in rows]
    if kind == "v":
        return [body[row * (len(body) // n) :][: len(body) // n].hex() for row in range(n)]
    if kind == "s":
        return split(body, n)
    (k, w), start = struct.unpack("<IB", body[-5:]), 8 * n if kind == "m" else 0
    codes = struct.unpack_from(f"<{n}{dict(zip((1, 2, 4), 'BHI', strict=True))[w]}", body, start)
    categories = split(body[start + n * w : -5], k)
    others = (
        [None if value != value else value for value in struct.unpack_from(f"<{n}d", body)] if start else [None] * n
    )
    return [categories[code - 1] if code else other for code, other in zip(codes, others, strict=True)]


def split(data: bytes, n: int) -> list[str]:
    offsets, letters = struct.unpack_from(f"<{n + 1}i", data), data[4 * (n + 1) :]
    return [letters[begin:end].decode() for begin, end in pairwise(offsets)]


def test_every_kind_is_in_it() -> None:
    assert {bytes.fromhex(column)[-1:].decode() for column in COLUMNS.values()} == set("dfqihb?scmv")


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_is_read_and_written_as_the_page_says(name: str) -> None:
    data = bytes.fromhex(COLUMNS[name])
    assert decoded(data, len(ROWS)) == values_of(name)
    assert encoded(chr(data[-1]), values_of(name)).hex() == data.hex()


def test_the_request_gives_these_rows() -> None:
    body = bytes.fromhex(VECTOR["request"])
    (resource,) = ExportLogsServiceRequest.FromString(body).resource_logs
    attributes = {one.key: one.value for one in resource.scope_logs[0].log_records[0].attributes}
    sent = {
        one.key: one.value.bytes_value.hex() for one in attributes[a.DRIFTLINE_PREDICTION_COLUMNS].kvlist_value.values
    }
    assert sent == COLUMNS
    found = decode_logs(body, now=1)
    (table,) = found.predictions
    assert (found.rejected, table.key, len(table)) == ({}, ModelKey("churn", "1", "prod"), len(ROWS))
    assert strings(table.id) == values_of(a.ML_PREDICTION_ID)
    assert table.time.tolist() == values_of(a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO)
    assert table.scores is not None
    np.testing.assert_array_equal(table.scores[:, 0], np.array(values_of(a.ML_PREDICTION_SCORE), float))
    assert texts_of(table.errors) == values_of(a.ERROR_TYPE)
    assert table.trace_id is not None
    assert [value.hex() for value in table.trace_id.tolist()] == values_of("trace_id")
    assert {FEATURE + name for name in table.features} == {name for name in COLUMNS if name.startswith(FEATURE)}
    assert texts_of(table.features["plan"]) == values_of(FEATURE + "plan")


def texts_of(column: Column | None) -> list[str | None]:
    assert column is not None
    assert column.codes is not None
    return [column.categories[code] if code >= 0 else None for code in column.codes.tolist()]


def test_the_columns_on_the_page_are_those_of_the_file() -> None:
    page = (ROOT / "docs/reference/wire.md").read_text(encoding="utf-8")
    shown = {
        hex.replace(" ", "") for hex in re.findall(r"^\| the (?:numbers|categories) .*? \| `([0-9a-f ]+)`", page, re.M)
    }
    assert shown == {COLUMNS[FEATURE + "age"], COLUMNS[FEATURE + "plan"]}
