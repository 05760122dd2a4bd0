"""Documents of outcomes that were made to do harm: each is refused, or costs only itself, and is never unpacked."""

from __future__ import annotations

import gzip
import io
import json
import struct
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from driftline_processor.core.decode.attributes import MAX_ROWS
from driftline_processor.core.decode.untrusted_json import TooLarge
from driftline_processor.readers.outcomes.arrow_documents import parse_arrow, parse_parquet
from driftline_processor.readers.outcomes.documents import (
    MAX_CELLS,
    MAX_COLUMNS,
    MAX_LINE,
    parse_csv,
    parse_json,
    parse_ndjson,
)
from driftline_processor.readers.outcomes.fields import MalformedOutcomes
from driftline_processor.receipts import Overloaded
from driftline_processor.servers.http_body import Body
from driftline_processor.servers.request_memory import HOLDING, RequestMemory

from tests.support.fake_intake import OutcomeIntake, post_outcomes

GOOD = b'{"id": "a", "actual": 1}\n'


def arrow(table: pa.Table, compression: str | None = None) -> bytes:
    body = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(body, table.schema, options=options) as stream:
        stream.write_table(table)
    return body.getvalue()


def parquet(table: pa.Table, **options: object) -> bytes:
    body = io.BytesIO()
    pq.write_table(table, body, **options)
    return body.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("lines", ["[", "[\n"], ids=["one line", "many lines"])
def test_a_line_that_nests_deeply_is_rejected_alone(lines: str) -> None:
    # 12,000 brackets, 88 bytes when packed, ended the process inside Arrow
    deep = b'{"id": "b", "actual": ' + lines.encode() * 12_000 + b"]" * 12_000 + b"}\n"
    parsed = parse_ndjson(GOOD + deep + GOOD, "m", None)
    assert parsed.rows.id.to_pylist() == ["a", "a"]
    assert parsed.rejected[0][0] == 1
    assert parsed.rejections == (1 if lines == "[" else 12_001)


def test_a_document_that_nests_deeply_is_refused() -> None:
    with pytest.raises(MalformedOutcomes, match=r"60,001 levels.*100"):
        parse_json(b'{"model": "m", "outcomes": ' + b"[" * 60_000, None, None)


def test_a_key_of_its_own_in_every_line_makes_no_column_for_each() -> None:
    # 118 KB of such lines were a table of 10,000 columns and 10,000 rows: 10 s and 1.2 GB
    lines = b"".join(b'{"id": "%d", "actual": 1, "slices": {"k%d": 1}}\n' % (i, i) for i in range(10_000))
    parsed = parse_ndjson(lines, "m", None)
    assert (len(parsed.rows), parsed.rejections, len(parsed.rows.slices)) == (64, 9936, 64)


def test_a_line_of_megabytes_is_rejected_alone() -> None:
    line = b'{"id": "b", "actual": [' + b"[]," * (MAX_LINE // 3) + b"1]}\n"
    parsed = parse_ndjson(GOOD + line + GOOD, "m", None)
    reason = f"the line has {len(line) - 1:,} bytes, but at most {MAX_LINE:,} are allowed"
    assert (len(parsed.rows), parsed.rejected) == (2, [(1, reason)])


def test_a_key_that_is_not_utf_8_costs_its_line() -> None:
    parsed = parse_ndjson(b'{"id": "b", "actual": 1, "k\xff": 1}\n' + GOOD, "m", None)
    assert (parsed.rows.id.to_pylist(), [row for row, _ in parsed.rejected]) == (["a"], [0])


def test_millions_of_brackets_are_counted_and_not_made() -> None:
    with pytest.raises(TooLarge, match=r"8,000,004 values.*4,000,000"):
        parse_json(b'{"model": "m", "outcomes": [' + b"[]," * 4_000_000 + b"1]}", None, None)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("parse", "start", "row", "end"),
    [
        (parse_ndjson, b"", GOOD, b""),
        (parse_csv, b"id,actual\n", b"a\n", b""),
        (parse_json, b'{"model": "m", "outcomes": [', b"0,", b"0]}"),
    ],
    ids=["ndjson", "csv", "json"],
)
def test_more_rows_than_are_read_at_once_are_too_large(
    parse: Callable[..., object], start: bytes, row: bytes, end: bytes
) -> None:
    with pytest.raises(TooLarge, match="1,000,000 rows"):
        parse(start + row * (MAX_ROWS + 1) + end, "m", None)


def test_rejections_are_counted_and_only_the_first_are_kept() -> None:
    for parsed in (
        parse_csv(b"id,actual\n" + b"a\n" * 2000 + b"a,1\n" + b",1\n" * 2000, "m", None),
        parse_ndjson(b"[]\n" * 2000 + GOOD + b"{}\n" * 2000, "m", None),
        parse_arrow(arrow(pa.table({"id": pa.nulls(4001, pa.string()), "actual": [1] * 4001})), "m", None),
    ):
        assert (parsed.rejections, len(parsed.rejected)) == (4001 - len(parsed.rows), 1000)
        assert [row for row, _ in parsed.rejected] == list(range(1000))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"," * 300_000, "the header has more than 262,144 bytes"),
        (b'"' + b"x" * 300_000 + b'",1\n', "field larger than field limit"),
        (b"\n" + b",".join(b"a%d" % i for i in range(MAX_COLUMNS + 1)) + b"\n", "the header has 201 columns"),
    ],
    ids=["commas", "quoted", "columns"],
)
def test_a_header_without_end_is_refused(body: bytes, sentence: str) -> None:
    with pytest.raises(MalformedOutcomes, match=sentence):
        parse_csv(body, "m", None)


def test_a_csv_of_too_many_cells_is_too_large() -> None:
    with pytest.raises(TooLarge, match="more than 33,554,432 cells"):
        parse_csv(b"id,actual\na," + b"," * MAX_CELLS, "m", None)


def test_a_csv_whose_lines_end_as_on_old_macintoshes_is_read() -> None:
    assert parse_csv(b"id,actual\ra,1\rb,0\r", "m", None).rows.id.to_pylist() == ["a", "b"]


def nothing() -> pa.Table:
    """A million rows of nulls, and one more."""
    return pa.table({"id": pa.nulls(MAX_ROWS + 1, pa.string()), "actual": pa.nulls(MAX_ROWS + 1, pa.string())})


def long_list(kind: pa.DataType) -> pa.Table:
    """One row whose list has more cells than are read."""
    cells = pa.ListArray.from_arrays(pa.array([0, MAX_CELLS + 1], pa.int32()), pa.nulls(MAX_CELLS + 1, kind))
    return pa.table({"id": ["a"], "actual": cells})


def codes() -> pa.Table:
    """5,000 codes of one text of 100,000 characters, twice."""
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(5_000, np.int32)), pa.array(["x" * 100_000]))
    return pa.table({"id": column, "actual": column})


def zeros() -> pa.Table:
    """Five texts of 64 MiB of zeros."""
    return pa.table({"id": pa.array(["\0" * 2**26] * 5), "actual": ["1"] * 5})


def views() -> pa.Array:
    """200,000 views of one text of 10,000 characters: 5 MB that come to 2 GB."""
    view = np.tile(np.array([10_000, int.from_bytes(b"xxxx", "little"), 0, 0], np.int32), 200_000)
    buffers = [None, pa.py_buffer(view.tobytes()), pa.py_buffer(b"x" * 10_000)]
    return pa.Array.from_buffers(pa.string_view(), 200_000, buffers)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: arrow(nothing(), "zstd"), "more than 1,000,000 rows"),
        (lambda: arrow(long_list(pa.null())), "more than 33,554,432 cells"),
        (lambda: arrow(zeros(), "zstd"), "are larger than 256 MiB"),
        (lambda: arrow(codes()), "are larger than 256 MiB"),
        (lambda: arrow(pa.table({"id": views(), "actual": [1] * 200_000})), "are larger than 256 MiB"),
    ],
    ids=["rows", "list of nothing", "zeros", "dictionary", "views"],
)
def test_a_small_arrow_stream_that_stands_for_much_is_too_large(make: Callable[[], bytes], sentence: str) -> None:
    with pytest.raises(TooLarge, match=sentence):
        parse_arrow(make(), "m", None)


def lying_footer() -> bytes:
    """A file whose footer says that 320 MiB of zeros are nothing; its pages say what they are."""
    body = parquet(zeros(), compression="zstd", use_dictionary=False)
    size = pq.read_metadata(io.BytesIO(body)).row_group(0).column(0).total_uncompressed_size
    said = bytes((size << 1 >> shift & 127) | 128 for shift in range(0, 28, 7)) + bytes([size << 1 >> 28])
    assert body.count(said) == 1
    return body.replace(said, b"\x82\x80\x80\x80\x00")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: parquet(nothing()), "more than 1,000,000 rows"),
        (
            lambda: parquet(long_list(pa.int8())),
            "more than 33,554,432",
        ),
        (lambda: parquet(zeros(), use_dictionary=False), "are larger than 256 MiB"),
        (lambda: parquet(codes()), "are larger than 256 MiB"),
        (lying_footer, "are larger than 256 MiB"),
    ],
    ids=["rows", "list", "zeros", "dictionary", "lying footer"],
)
def test_a_small_parquet_file_that_stands_for_much_is_too_large(make: Callable[[], bytes], sentence: str) -> None:
    with pytest.raises(TooLarge, match=sentence):
        parse_parquet(make(), "m", None)


def nested(depth: int) -> pa.DataType:
    kind: pa.DataType = pa.int64()
    for _ in range(depth):
        kind = pa.struct([("a", kind)])
    return kind


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        # reading a struct took 2^depth steps: 50 deep for ever
        (pa.schema([("id", pa.string()), ("actual", nested(50))]), "column 'actual' is nested too deeply"),
        (pa.schema([("id", pa.string()), ("slices", nested(50))]), "column 'slices' is nested too deeply"),
        (
            pa.schema([("id", pa.string()), ("slices", pa.struct([(f"k{i}", pa.int64()) for i in range(50_000)]))]),
            "column 'slices' is nested too deeply",
        ),
        (pa.schema([(f"slice.{i}", pa.int64()) for i in range(50_000)]), "there are 50,000 columns, but at most 200"),
    ],
    ids=["deep actual", "deep slices", "wide slices", "columns"],
)
def test_types_that_no_outcome_has_are_refused_at_once(schema: pa.Schema, sentence: str) -> None:
    with pytest.raises(MalformedOutcomes, match=sentence):
        parse_arrow(arrow(schema.empty_table()), "m", None)


def test_offsets_and_codes_beyond_their_texts_are_refused_before_memory_is_read_by_them() -> None:
    body = arrow(pa.table({"id": ["abc", "de"], "actual": [1, 2]}))
    offsets = struct.pack("<iii", 0, 3, 5)
    assert body.count(offsets) == 1
    codes = pa.DictionaryArray.from_arrays(pa.array([0, 77], pa.int32()), pa.array(["x"]), safe=False)
    for lying in (
        body.replace(offsets, struct.pack("<iii", 0, 200_000_000, 200_000_001)),
        body.replace(offsets, struct.pack("<iii", 0, -7, 5)),
        arrow(pa.table({"id": codes, "actual": [1, 2]})),
    ):
        with pytest.raises(MalformedOutcomes, match="this is not a valid Arrow stream"):
            parse_arrow(lying, "m", None)


def test_a_parquet_file_whose_texts_continue_each_other_is_read_a_few_rows_at_a_time() -> None:
    ids = [f"A-{i}" for i in range(3_000)]
    body = parquet(
        pa.table({"id": ids, "actual": [1] * 3_000}),
        use_dictionary=False,
        column_encoding={"id": "DELTA_BYTE_ARRAY", "actual": "PLAIN"},
    )
    assert parse_parquet(body, "m", None).rows.id.to_pylist() == ids


def test_lists_and_slices_of_parquet_are_read_as_before() -> None:
    table = pa.table({"id": ["a", "b"], "actual": [["x", "y"], ["z"]], "slices": [{"c": "NL"}, {"c": None}]})
    rows = parse_parquet(parquet(table), "m", None).rows
    assert [json.loads(text) for text in rows.text.to_pylist()] == [["x", "y"], ["z"]]
    assert rows.slices["c"].to_pylist() == ["NL", None]


EMPTY = gzip.compress(b"", mtime=0)


@pytest.mark.parametrize(
    ("pack", "encoding", "status", "sentence"),
    [
        (
            lambda: EMPTY * 20_000,
            "gzip",
            400,
            "the gzip stream has more than 10,000 members; compress the body as a single stream",
        ),
        (lambda: gzip.compress(b" " * (129 * 2**20), 1), "gzip", 413, "the request is larger than 128 MiB"),
        (lambda: gzip.compress(GOOD) + b"rest", "gzip", 400, "the gzip stream is damaged"),
        (lambda: GOOD, "br", 415, "content encoding 'br' is not supported; use gzip, deflate or none"),
    ],
    ids=["members", "bomb", "rest", "brotli"],
)
def test_a_packed_body_is_bounded(pack: Callable[[], bytes], encoding: str, status: int, sentence: str) -> None:
    answer = post_outcomes(OutcomeIntake(), pack(), "application/x-ndjson", content_encoding=encoding)
    assert (answer.status_code, answer.json()["error"][: len(sentence)]) == (status, sentence)


def test_what_a_body_unpacks_to_counts_as_bytes_under_way() -> None:
    data = gzip.compress(b" " * 2**21)
    memory = RequestMemory(limit=2**22)
    assert len(Body(data, "gzip", 2**24, {HOLDING: memory.open()}).unpacked()) == memory.used == 2**21
    with pytest.raises(Overloaded):
        Body(data, "gzip", 2**24, {HOLDING: memory.open()}).unpacked()
    with pytest.raises(TooLarge, match=r"limits\.request_bytes"):
        Body(data, "gzip", 2**24, {HOLDING: RequestMemory(limit=2**20).open()}).unpacked()


def test_members_that_follow_on_each_other_and_padding_are_one_body() -> None:
    body = EMPTY * 100 + gzip.compress(GOOD) + gzip.compress(GOOD.replace(b'"a"', b'"b"')) + b"\0" * 50_000
    assert post_outcomes(OutcomeIntake(), body, "application/x-ndjson", content_encoding="gzip").json()["accepted"] == 2
