"""Documents of outcomes that nobody meant to send: every row is kept or rejected, never an error."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from driftline.inputs.texts_and_vectors import short_text
from driftline.tables.classes import class_column
from driftline.tables.column_codec import strings
from driftline.tables.table import Text
from driftline_processor.cli.outcome_upload import OutcomeColumns, split_outcomes
from driftline_processor.readers.errors import BadInput
from driftline_processor.readers.outcomes.documents import parse_csv, parse_json, parse_ndjson
from driftline_processor.readers.outcomes.fields import FIELDS, MalformedOutcomes
from driftline_processor.readers.outcomes.outcome_rows import ParsedDocument
from hypothesis import given, settings
from hypothesis import strategies as st

NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([0, 10**400, -1, 1e308, 1795161600, 2**63, 2**64]))
ODD = ("", " ", "nan", "-inf", "1", "1.0", "+1", "e5", ".", "-", "007", "1e999", "0x1", "1_000", "true", "\x00")
DATES = ("2026-11-20", "2026-11-20T08:00:00Z", "9999-12-31", "1677-01-01", "20261120", "12:00", "9" * 20)
TEXTS = st.one_of(st.text(max_size=12), st.sampled_from(ODD + DATES))
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    TEXTS,
    st.lists(st.integers(), max_size=2),
    st.just({"a": 1}),
    st.just({"group": "b", "age": 41.0}),
)
COLUMNS = [*(name for name in FIELDS if name != "slices"), "slice.group"]
ROWS = st.lists(
    st.dictionaries(st.sampled_from([*FIELDS, "slice.group", "odd"]), VALUES, max_size=8), min_size=1, max_size=8
)


def slices(parsed: ParsedDocument) -> list[dict[str, str]]:
    """Return the slices of each row, of those it says."""
    columns = {name: texts.to_pylist() for name, texts in parsed.rows.slices.items()}
    return [{n: texts[i] for n, texts in columns.items() if texts[i] is not None} for i in range(len(parsed.rows))]


def strings_of(parsed: ParsedDocument) -> list[str]:
    ids: list[str] = parsed.rows.id.to_pylist()
    return ids


def check(rows: int, parsed: ParsedDocument) -> None:
    assert len(parsed.rows) + len(parsed.rejected) == rows
    assert len({index for index, _ in parsed.rejected} & set(range(rows))) == len(parsed.rejected)
    assert all(reason for _, reason in parsed.rejected)
    assert bool(((parsed.rows.time >= 0) & (parsed.rows.prediction_time >= 0)).all())
    known = np.array([text is not None for text in parsed.rows.text.to_pylist()], bool)
    assert bool(((np.isfinite(parsed.rows.number) ^ known) | parsed.rows.retracted).all())
    assert not bool((np.isfinite(parsed.rows.number) & known).any())
    assert not bool(np.isinf(parsed.rows.value).any())
    assert sum(len(table) for table in parsed.rows.tables(1)) == len(parsed.rows)


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_any_json_row_is_kept_or_rejected(rows: list[dict[str, object]]) -> None:
    check(len(rows), parse_json(json.dumps({"model": "m", "outcomes": rows}).encode(), None, None))


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_any_ndjson_row_is_kept_or_rejected(rows: list[dict[str, object]]) -> None:
    body = "\n".join(map(json.dumps, rows)).encode()
    parsed = parse_ndjson(body, "m", None)
    check(len(rows), parsed)
    by_json = parse_json(json.dumps({"model": "m", "outcomes": rows}).encode(), None, None)
    assert {index for index, _ in parsed.rejected} == {index for index, _ in by_json.rejected}
    assert parsed.rows.id.to_pylist() == by_json.rows.id.to_pylist()
    assert parsed.rows.text.to_pylist() == by_json.rows.text.to_pylist()
    assert parsed.rows.item.to_pylist() == by_json.rows.item.to_pylist()
    assert slices(parsed) == slices(by_json)
    for column in ("number", "time", "prediction_time", "weight", "value", "retracted"):
        np.testing.assert_array_equal(getattr(parsed.rows, column), getattr(by_json.rows, column))


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(TEXTS, min_size=len(COLUMNS), max_size=len(COLUMNS)), min_size=1, max_size=8))
def test_any_csv_row_is_kept_or_rejected(rows: list[list[str]]) -> None:
    # A record separator inside a cell would be another row, and csv quotes what the reader takes for plain text.
    cells = [["".join(c for c in cell if c.isprintable() and c not in '",') for cell in row] for row in rows]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *cells])
    check(len(rows), parse_csv(text.getvalue().encode("utf-8", "replace"), "m", None))


def test_csv_numbers_are_read_as_json_numbers_are() -> None:
    cells = ["1", "-0.5", "1e3", ".5", "5.", "1E-2"]
    parsed = parse_csv(("id,actual\n" + "".join(f"a,{cell}\n" for cell in cells)).encode(), "m", None)
    assert parsed.rows.number.tolist() == [1.0, -0.5, 1000.0, 0.5, 5.0, 0.01]


def test_csv_texts_that_only_look_like_numbers_stay_texts() -> None:
    cells = ["+1", "e5", "1e", "-", "0x1", "1_000", "007", "1.2.3"]
    parsed = parse_csv(("id,actual\n" + "".join(f"a,{cell}\n" for cell in cells)).encode(), "m", None)
    assert parsed.rows.text.to_pylist() == cells
    assert all(map(math.isnan, parsed.rows.number.tolist()))


EVERYTHING: dict[str, list[Any]] = {
    "id": ["a", "b", "c"],
    "actual": ["churned", None, "stayed"],
    "time": [1795161600, None, 1795161600],
    "weight": [2.0, None, None],
    "item": ["shoe", None, "hat"],
    "value": [9.5, None, -1.0],
    "retracted": [False, True, None],
    "slice.group": ["b", None, "a"],
    "slice.age": [41.0, 42.0, None],
}


def parse_parquet(body: bytes, model: str, environment: str | None) -> ParsedDocument:
    """Read a Parquet file as ``driftline outcomes push`` sends it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "labels.parquet"
        path.write_bytes(body)
        (part,) = split_outcomes(path, OutcomeColumns({}), print)
    return parse_ndjson(part.body, model, environment)


PARSERS = {"parquet": parse_parquet, "csv": parse_csv, "ndjson": parse_ndjson}


def written(table: pa.Table, kind: str) -> bytes:
    """Write a table as a file of a kind."""
    out = io.BytesIO()
    if kind == "parquet":
        pq.write_table(table, out)
    elif kind == "csv":
        pa.csv.write_csv(table, out)
    else:
        rows = [{name: value for name, value in row.items() if value is not None} for row in table.to_pylist()]
        out.write("".join(json.dumps(row) + "\n" for row in rows).encode())
    return out.getvalue()


@pytest.mark.parametrize("kind", PARSERS)
def test_every_kind_of_file_says_the_same(kind: str) -> None:
    parsed = PARSERS[kind](written(pa.table(EVERYTHING), kind), "m", None)
    (table,) = parsed.rows.tables(1)
    assert parsed.rejected == []
    assert parsed.rows.text.to_pylist() == ["churned", None, "stayed"]
    assert strings(table.item or Text(np.zeros(1, np.int32), b"")) == ["shoe", "", "hat"]
    np.testing.assert_array_equal(table.value, [9.5, np.nan, -1.0])
    np.testing.assert_array_equal(table.retracted, [False, True, False])
    assert slices(parsed) == [{"group": "b", "age": "41"}, {"age": "42"}, {"group": "a"}]


def test_what_is_said_of_no_row_is_a_field_that_is_none() -> None:
    (table,) = parse_csv(b"id,actual,item,value,retracted,slice.x\na,1,,,,\n", "m", None).rows.tables(1)
    assert (table.item, table.value, table.retracted, table.slices) == (None, None, None, {})


def test_odd_cells_cost_their_row_and_nothing_else() -> None:
    rows = [
        ("a", "x", "", ""),
        ("b", "inf", "", ""),
        ("c", "", "maybe", ""),
        ("e", "7", "false", "n"),
    ]
    body = "id,actual,value,retracted,slice.x\n" + "".join(f"{i},1,{v},{r},{s}\n" for i, v, r, s in rows)
    parsed = parse_csv(body.encode(), "m", None)
    assert parsed.rejected == [
        (0, "value is a string; send a number"),
        (1, "value is a string; send a number"),
        (2, "retracted is a string; send true or false"),
    ]
    assert parsed.rows.id.to_pylist() == ["e"]


def test_a_long_slice_is_shortened_as_that_of_its_prediction() -> None:
    url = "https://example.com/?" + "q" * 2000
    by_columns = parse_csv(f"id,actual,slice.x\na,1,{url}\n".encode(), "m", None)
    by_rows = parse_json(json.dumps({"outcomes": [{"id": "a", "actual": 1, "slices": {"x": url}}]}).encode(), "m", None)
    assert slices(by_columns) == slices(by_rows) == [{"x": short_text(url)}]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 0], pa.uint8()),
        pa.array([1.0, 0.0], pa.float32()),
        pa.array(["1", "0"]).dictionary_encode(),
        pa.array(["1", "0"], pa.large_string()),
        pa.array([Decimal("1"), Decimal("0")], pa.decimal128(5, 2)),
        pa.array([True, False]),
    ],
    ids=lambda column: str(column.type),
)
def test_a_parquet_file_may_hold_any_type_that_means_a_class(column: pa.Array) -> None:
    table = pa.table({"id": pa.array([1, 2], pa.int16()), "actual": column, "time": [date(2026, 11, 20), None]})
    parsed = parse_parquet(written(table, "parquet"), "m", None)
    (rows,) = parsed.rows.tables(5)
    assert class_column(rows.actual).categories in {("1", "0"), ("0", "1")}
    assert strings(rows.id) == ["1", "2"]
    assert rows.time.tolist() == [1_795_132_800 * 10**9, 5]


def test_a_parquet_column_of_another_type_is_refused_with_its_name() -> None:
    table = pa.table({"id": ["a"], "actual": [{"p": 1}]})
    with pytest.raises(BadInput, match="column 'actual' has the type struct<p: int64>"):
        parse_parquet(written(table, "parquet"), "m", None)


def test_a_line_of_another_encoding_costs_itself() -> None:
    body = b'{"id":"a","actual":1}\n{"id":"J\xe9","actual":1}\n{"id":"c","actual":0}'
    assert strings_of(parse_ndjson(body, "m", None)) == ["a", "c"]
    table = parse_csv("id,actual\na,1\nJ\u00e9,1\nc,0\n".encode("latin-1"), "m", None)
    assert strings_of(table) == ["a", "c"]
    assert table.rejected == [(1, "the line is not UTF-8")]


def test_a_file_in_utf_16_says_what_to_do() -> None:
    with pytest.raises(MalformedOutcomes, match="CSV UTF-8"):
        parse_csv("id,actual\na,1\n".encode("utf-16"), "m", None)


def test_a_time_too_far_away_costs_itself_however_it_is_sent() -> None:
    far, near = {"id": "far", "actual": 1, "time": 2 * 10**10}, {"id": "near", "actual": 1, "time": 1795161600}
    rows = json.dumps({"outcomes": [far, near]}).encode()
    lines = "\n".join(map(json.dumps, (far, near))).encode()
    cells = b"id,actual,time\nfar,1,20000000000\nnear,1,1795161600\n"
    unsigned = pa.table(
        {"id": ["far", "near"], "actual": [1, 1], "time": pa.array([2**64 - 1, 1795161600], pa.uint64())}
    )
    read = [parse_json(rows, "m", None), parse_ndjson(lines, "m", None), parse_csv(cells, "m", None)]
    for parsed in (*read, parse_parquet(written(unsigned, "parquet"), "m", None)):
        assert strings_of(parsed) == ["near"]
        assert parsed.rows.time.tolist() == [1795161600 * 10**9]
        assert [index for index, _ in parsed.rejected] == [0]


@pytest.mark.parametrize("number", ["9" * 5_000, "-" + "9" * 5_000, "1e400", "Infinity"])
def test_an_id_that_is_too_large_a_number_is_rejected_with_the_fix(number: str) -> None:
    rows = (f'{{"id": {number}, "actual": 1}}', '{"id": 17, "actual": 1}', '{"id": 0.5, "actual": 1}')
    for mixed in (rows, (*rows, '{"id": "A", "actual": 1}')):
        listed = parse_json(f'{{"model": "churn", "outcomes": [{", ".join(mixed)}]}}'.encode(), None, None)
        for parsed in (listed, parse_ndjson("\n".join(mixed).encode(), "churn", None)):
            assert parsed.rejected == [(0, "id is a number that is too large; send it as a text")]
            assert parsed.rows.id.to_pylist() == ["17", "0.5", "A"][: len(mixed) - 1]


def test_whole_numbers_keep_all_their_digits_in_slices_and_ids() -> None:
    """A customer number of 19 digits is no double: a hundred of them would be one."""
    big = 1234567890123456789
    row = {"id": big, "actual": big, "value": big, "slices": {"customer": big}}
    assert slices(parse_json(json.dumps({"outcomes": [row]}).encode(), "m", None)) == [{"customer": str(big)}]
    parsed = parse_ndjson(json.dumps(row).encode(), "m", None)
    assert slices(parsed) == [{"customer": str(big)}]
    assert strings_of(parsed) == [str(big)]
    columns = {
        "id": pa.array([2**64 - 1], pa.uint64()),
        "actual": [1],
        "slice.customer": pa.array([2**64 - 2], pa.uint64()),
    }
    parsed = parse_parquet(written(pa.table(columns), "parquet"), "m", None)
    assert slices(parsed) == [{"customer": str(2**64 - 2)}]
    assert strings_of(parsed) == [str(2**64 - 1)]


@pytest.mark.parametrize(
    ("ids", "texts"),
    [
        (pa.array([17.0, None, 18.0]), ["17", "18"]),
        (pa.array([17.5, 18.0, None], pa.float32()), ["17.5", "18"]),
        (pa.array([Decimal(17), None, Decimal(2**70)]), ["17", str(2**70)]),
        (pa.array([Decimal("17.00"), None, Decimal("18.50")]), ["17", "18.50"]),
    ],
)
def test_ids_that_passed_through_numbers_are_the_texts_that_they_were(ids: pa.Array, texts: list[str]) -> None:
    table = pa.table({"id": ids, "actual": [1, 0, 1], "retracted": pa.array([0, 1, 0], pa.int8())})
    parsed = parse_parquet(written(table, "parquet"), "m", None)
    assert strings_of(parsed) == texts
    assert [reason for _, reason in parsed.rejected] == ["id is missing"]


def test_a_document_of_ever_new_slices_keeps_those_that_came_first() -> None:
    rows = [{"id": str(i), "actual": 1, "slices": {f"s{i}": i}} for i in range(70)]
    parsed = parse_json(json.dumps({"model": "m", "outcomes": rows}).encode(), None, None)
    assert [index for index, _ in parsed.rejected] == list(range(64, 70))


RELEVANT = ['["p17", "4"]', '{"p17": 3.0}', None]


def test_relevant_items_of_a_ranking_come_as_lists_and_objects() -> None:
    rows = [{"id": "a", "actual": ["p17", 4]}, {"id": "b", "actual": {"p17": 3}}, {"id": "c", "actual": [None]}]
    document = json.dumps({"model": "shelf", "outcomes": rows}).encode()
    lines = b"\n".join(json.dumps(row).encode() for row in rows)
    for parsed in (parse_json(document, None, None), parse_ndjson(lines, "shelf", None)):
        assert parsed.rows.text.to_pylist() == RELEVANT[:2]
        assert parsed.rejected == [(2, "actual is a list, and it has an item id that is neither a string nor a number")]


def test_relevant_items_of_a_ranking_come_in_columns() -> None:
    lists = pa.table({"id": ["a", "c"], "actual": pa.array([["p17", "4"], [None]], pa.list_(pa.string()))})
    gains = pa.table({"id": ["b"], "actual": pa.array([[("p17", 3.0)]], pa.map_(pa.string(), pa.float64()))})
    parsed = [parse_parquet(written(table, "parquet"), "shelf", None) for table in (lists, gains)]
    assert [text for one in parsed for text in one.rows.text.to_pylist()] == RELEVANT[:2]
    assert parsed[0].rejected == [(1, "actual is missing")]
    csv = b'id,actual\na,"[""p17"", ""4""]"\n'
    assert parse_csv(csv, "shelf", None).rows.text.to_pylist() == RELEVANT[:1]


def test_a_column_with_the_mark_of_a_spreadsheet_loses_one_apostrophe_of_each_cell() -> None:
    parsed = parse_csv(b"'id,'actual,weight\n'007,1,2\n''x,'=no,1\nplain,yes,1\n", "churn", None)
    assert (strings_of(parsed), parsed.rejected) == (["007", "'x", "plain"], [])
    (table,) = parsed.rows.tables(1)
    assert (table.actual.categories, table.actual.numbers.tolist()[0]) == (("=no", "yes"), 1.0)  # type: ignore[union-attr]


def test_a_column_without_the_mark_keeps_its_apostrophes() -> None:
    assert strings_of(parse_csv(b"id,actual\n'007,1\n", "churn", None)) == ["'007"]


def test_a_column_that_is_there_with_and_without_the_mark_is_refused() -> None:
    with pytest.raises(MalformedOutcomes, match=r"'id'.*'id"):
        parse_csv(b"id,'id,actual\na,a,1\n", "churn", None)
