"""Documents of outcomes that were made to do harm: each is refused, or costs only itself, and is never unpacked."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
from driftline_processor.core.decode.attributes import MAX_ROWS
from driftline_processor.core.decode.untrusted_json import TooLarge
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
DEEP = 100_000


@pytest.mark.slow
@pytest.mark.parametrize("lines", ["[", "[\n"], ids=["one line", "many lines"])
def test_a_line_that_nests_deeply_is_rejected_alone(lines: str) -> None:
    # so many brackets, 259 bytes when packed, end the process inside Arrow
    deep = b'{"id": "b", "actual": 1, "more": ' + lines.encode() * DEEP + b"]" * DEEP + b"}\n"
    parsed = parse_ndjson(GOOD + deep + GOOD, "m", None)
    assert parsed.rows.id.to_pylist() == ["a", "a"]
    assert parsed.rejected[0][0] == 1
    assert parsed.rejections == (1 if lines == "[" else DEEP + 1)


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


@pytest.mark.parametrize(
    "line",
    [
        b'{"id": "b", "actual": 1, "k\xff": 1}\n',
        b'{"id": "b\xffb", "actual": 1}\n',
        b'{"id": "b", "actual": 1, "item": "b\xffb"}\n',
        b'{"id": "b", "actual": 1, "model": "b\xffb"}\n',
        b'{"id": "b", "actual": 1, "environment": "b\xffb"}\n',
    ],
    ids=["key", "id", "item", "model", "environment"],
)
def test_a_line_that_is_not_utf_8_is_rejected_alone(line: bytes) -> None:
    # in the middle of a text, such bytes were kept, could not be stored, and were answered 503 for ever
    parsed = parse_ndjson(line + GOOD, "m", None)
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
        (lambda: GOOD, "br", 415, "content encoding 'br' is not supported; use gzip, deflate, zstd or none"),
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
