"""Documents of outcomes that nobody meant to send: every row is kept or rejected, never an error."""

from __future__ import annotations

import csv
import io
import json
import math

import numpy as np
from driftline_processor.web.outcome_files import parse_csv, parse_json, parse_ndjson
from driftline_processor.web.outcome_rows import FIELDS, Parsed
from hypothesis import given, settings
from hypothesis import strategies as st

NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([0, 10**400, -1, 1e308, 1795161600, 2**63, 2**64]))
ODD = ("", " ", "nan", "-inf", "1", "1.0", "+1", "e5", ".", "-", "007", "1e999", "0x1", "1_000", "true", "\x00")
DATES = ("2026-11-20", "2026-11-20T08:00:00Z", "9999-12-31", "1677-01-01", "20261120", "12:00", "9" * 20)
TEXTS = st.one_of(st.text(max_size=12), st.sampled_from(ODD + DATES))
VALUES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, st.lists(st.integers(), max_size=2), st.just({"a": 1}))
ROWS = st.lists(st.dictionaries(st.sampled_from([*FIELDS, "odd"]), VALUES, max_size=8), min_size=1, max_size=8)


def check(rows: int, parsed: Parsed) -> None:
    assert len(parsed.rows) + len(parsed.rejected) == rows
    assert len({index for index, _ in parsed.rejected} & set(range(rows))) == len(parsed.rejected)
    assert all(reason for _, reason in parsed.rejected)
    assert bool(((parsed.rows.time >= 0) & (parsed.rows.prediction_time >= 0)).all())
    known = np.array([text is not None for text in parsed.rows.text.to_pylist()], bool)
    assert bool((np.isfinite(parsed.rows.number) ^ known).all())
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
    for column in ("number", "time", "prediction_time", "weight"):
        np.testing.assert_array_equal(getattr(parsed.rows, column), getattr(by_json.rows, column))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(TEXTS, min_size=len(FIELDS), max_size=len(FIELDS)), min_size=1, max_size=8))
def test_any_csv_row_is_kept_or_rejected(rows: list[list[str]]) -> None:
    # A record separator inside a cell would be another row, and csv quotes what the reader takes for plain text.
    cells = [["".join(c for c in cell if c.isprintable() and c not in '",') for cell in row] for row in rows]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([FIELDS, *cells])
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
