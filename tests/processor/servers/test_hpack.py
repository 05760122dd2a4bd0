"""Blocks of headers: the examples of RFC 7541, and what breaks its rules."""

from __future__ import annotations

import pytest
from driftline_processor.servers.hpack import BadHeaders, Field, HeaderReader, field, unpack_text

FIRST: list[Field] = [
    (b":method", b"GET"),
    (b":scheme", b"http"),
    (b":path", b"/"),
    (b":authority", b"www.example.com"),
]
SECOND = [*FIRST, (b"cache-control", b"no-cache")]
THIRD: list[Field] = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":path", b"/index.html"),
    (b":authority", b"www.example.com"),
    (b"custom-key", b"custom-value"),
]
DATE = b"Mon, 21 Oct 2013 20:13:21 GMT"
PLACE = b"https://www.example.com"
COOKIE = b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"


@pytest.mark.parametrize(
    "blocks",
    [
        (
            "828684410f7777772e6578616d706c652e636f6d",
            "828684be58086e6f2d6361636865",
            "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        ),
        (
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
            "828684be5886a8eb10649cbf",
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        ),
    ],
    ids=["C.3", "C.4"],
)
def test_requests_of_the_specification(blocks: tuple[str, ...]) -> None:
    reader = HeaderReader(1000)
    read = [list(reader.read(bytes.fromhex(block))) for block in blocks]
    assert read == [FIRST, SECOND, THIRD]


def test_answers_of_the_specification_in_a_table_of_256_bytes() -> None:
    """C.6, where the oldest fields give way."""
    reader = HeaderReader(1000)
    read = [
        dict(reader.read(bytes.fromhex(block)))
        for block in (
            "3fe101488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
            "4883640effc1c0bf",
            "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672"
            "c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        )
    ]
    assert read[0] == {b":status": b"302", b"cache-control": b"private", b"date": DATE, b"location": PLACE}
    assert read[1] == {b":status": b"307", b"cache-control": b"private", b"date": DATE, b"location": PLACE}
    assert (read[2][b"date"], read[2][b"content-encoding"]) == (b"Mon, 21 Oct 2013 20:13:22 GMT", b"gzip")
    assert read[2][b"set-cookie"] == COOKIE


def test_the_same_bytes_mean_something_else_once_the_table_has_changed() -> None:
    reader = HeaderReader(1000)
    reader.read(b"\x40\x01a\x011")
    assert reader.read(b"\xbe") == ((b"a", b"1"),)
    assert reader.read(b"\xbe") == ((b"a", b"1"),)
    reader.read(b"\x40\x01b\x012")
    assert reader.read(b"\xbe") == ((b"b", b"2"),)


def test_a_long_field_is_read_as_it_was_written() -> None:
    long = b"v" * 20_000
    assert HeaderReader(1 << 16).read(field(b"n" * 126, long) + field(b"m" * 127, b"")) == (
        (b"n" * 126, long),
        (b"m" * 127, b""),
    )


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (b"\x80", "no header has the number 0"),
        (b"\xbe", "no header has the number 62"),
        (b"\xff\xff\xff\xff\xff\x7f", "a number in the headers is too large"),
        (b"\xff\x80\x80\x80\x80\x80\x80\x80", "a number in the headers is too large"),
        (b"\xff", "the headers end within a number"),
        (b"\x40\x0aab", "the headers end within a text"),
        (b"\x40", "the headers end within a number"),
        (b"\x3f\xe2\x1f", "the table of headers is larger than was agreed"),
        (b"\x82\x20", "the table of headers changes its size behind a field"),
        (b"\x40\x01a\x84\xff\xff\xff\xff", "a text in Huffman code holds its end"),
        (b"\x40\x01a\x81\x00", "a text in Huffman code ends within a letter"),
        (b"\x40\x01a\x82\x1f\xff", "a text in Huffman code ends within a letter"),
        (b"\x40\x01a\x7f\x81\x07" + b"v" * 1024 + b"\xbe" * 50, "the headers are longer than 1 KiB"),
    ],
)
def test_what_breaks_the_rules_is_refused(block: bytes, why: str) -> None:
    with pytest.raises(BadHeaders) as refused:
        HeaderReader(1024).read(block)
    assert str(refused.value) == why


def test_a_table_never_holds_more_than_was_agreed() -> None:
    reader = HeaderReader(1 << 20)
    for number in range(1000):
        reader.read(b"\x40\x02" + number.to_bytes(2, "big") + b"\x64" + b"v" * 100)
    assert len(reader.read(b"".join(bytes((0xBE + place,)) for place in range(30)))) == 30  # 4,096 / (102 + 32)
    with pytest.raises(BadHeaders):
        reader.read(b"\xdc")


@pytest.mark.parametrize(("packed", "byte"), [("ffc7", 0), ("ffffb1", 1), ("fffffff3", 10), ("fffffbbf", 255)])
def test_the_longest_codes_are_read(packed: str, byte: int) -> None:
    assert unpack_text(bytes.fromhex(packed)) == bytes((byte,))
