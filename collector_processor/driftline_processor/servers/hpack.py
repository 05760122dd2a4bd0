"""Headers of HTTP/2 (HPACK, RFC 7541): read in any form, written in the plainest.

reader = HeaderReader(most=64 * 1024)
reader.read(block)          # [(b":method", b"POST"), ...]
field(b"grpc-status", b"0")
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache

Field = tuple[bytes, bytes]
"""Name and value."""

TABLE_BYTES = 4_096
"""Bytes of the table that sender and receiver share: what every peer may use without asking (RFC 9113, 6.5.2)."""

_ENTRY = 32
"""Bytes that a field counts beside its name and value (RFC 7541, 4.1)."""

_MOST_INTEGER = 1 << 28
"""Larger numbers stand for nothing that is taken here."""


class BadHeaders(ValueError):  # noqa: N818 - what the connection ends with
    """A block of headers cannot be read; nothing that follows on its connection can."""


_WRITTEN = (
    ":authority :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https :status=200 "
    ":status=204 :status=206 :status=304 :status=400 :status=404 :status=500 accept-charset "
    "accept-encoding=gzip,_deflate accept-language accept-ranges accept access-control-allow-origin age allow "
    "authorization cache-control content-disposition content-encoding content-language content-length "
    "content-location content-range content-type cookie date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified link location max-forwards "
    "proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie "
    "strict-transport-security transfer-encoding user-agent vary via www-authenticate"
)

_STATIC: tuple[Field, ...] = tuple(
    (name.encode(), value.replace("_", " ").encode())
    for name, _, value in (entry.partition("=") for entry in _WRITTEN.split())
)
"""The fields that have a number from the start, from 1 on (RFC 7541, appendix A)."""

_LENGTHS = (
    "ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHF"
    "IBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJBKABABABBBACCBBBABCBAABCCCCCKGJIX"
    "PRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRS"
    "VVPORSRUVVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWV"
)
"""Bits of the Huffman code of each byte, A for five (RFC 7541, appendix B).

The codes of one length follow each other in the order of their bytes, so the lengths say all codes.
"""

_SHORTEST, _LONGEST = 5, 30
"""Bits of a Huffman code."""


@cache
def _codes() -> tuple[list[int], list[tuple[int, int, bytes]]]:
    """Return where the codes of each length end, and of each length: bits, first code, and bytes in order.

    An end is written with as many bits as the longest code, so that the next 30 bits of a text say how long the code
    is that they begin with.
    """
    ends, lengths = list[int](), list[tuple[int, int, bytes]]()
    code = 0
    for bits in range(_SHORTEST, _LONGEST + 1):
        symbols = bytes(byte for byte, letter in enumerate(_LENGTHS) if ord(letter) - ord("A") + _SHORTEST == bits)
        lengths.append((bits, code, symbols))
        code += len(symbols)
        ends.append(code << _LONGEST - bits)
        code <<= 1
    return ends, lengths


def unpack_text(packed: bytes) -> bytes:
    """Return the text of a Huffman code. Raises BadHeaders.

    >>> unpack_text(bytes.fromhex("f1e3c2e5f23a6ba0ab90f4ff"))
    b'www.example.com'
    """
    ends, lengths = _codes()
    text = bytearray()
    held = left = 0
    for byte in packed:
        held, left = (held << 8) | byte, left + 8
        while left >= _SHORTEST:
            window = held << _LONGEST - left if left <= _LONGEST else held >> left - _LONGEST
            place = bisect_right(ends, window)
            if place == len(lengths):
                raise BadHeaders("a text in Huffman code holds its end")
            bits, first, symbols = lengths[place]
            if bits > left:
                break
            left -= bits
            text.append(symbols[(held >> left) - first])
            held &= (1 << left) - 1
    if left > 7 or held != (1 << left) - 1:
        raise BadHeaders("a text in Huffman code ends within a letter")
    return bytes(text)


class HeaderReader:
    """Reads the header blocks of one connection, in their order.

    Args:
        most: Bytes of the fields of one block, each counted with 32 more.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._table: list[Field] = []
        self._size = 0
        self._limit = TABLE_BYTES
        self._changed = False
        self._known: dict[bytes, tuple[Field, ...]] = {}

    def read(self, block: bytes) -> tuple[Field, ...]:
        """Return the fields of a block; the same object for the same bytes, as long as they mean the same.

        Raises:
            BadHeaders: They break RFC 7541, or are more than is taken.
        """
        found = self._known.get(block)
        if found is None:
            self._changed = False
            found = self._read(block)
            if self._changed or len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            if not self._changed:
                self._known[block] = found
        return found

    def _read(self, block: bytes) -> tuple[Field, ...]:
        fields, size, at = list[Field](), 0, 0
        while at < len(block):
            kind = block[at]
            if kind & 0x80:
                number, at = _integer(block, at, 7)
                field = self._numbered(number)
            elif kind & 0x40:
                field, at = self._literal(block, at, 6)
                self._remember(field)
            elif kind & 0x20:
                if fields:
                    raise BadHeaders("the table of headers changes its size behind a field")
                limit, at = _integer(block, at, 5)
                if limit > TABLE_BYTES:
                    raise BadHeaders("the table of headers is larger than was agreed")
                self._limit, self._changed = limit, True
                self._shrink()
                continue
            else:
                field, at = self._literal(block, at, 4)
            size += len(field[0]) + len(field[1]) + _ENTRY
            if size > self._most:
                raise BadHeaders(f"the headers are longer than {self._most // 1024} KiB")
            fields.append(field)
        return tuple(fields)

    def _numbered(self, number: int) -> Field:
        if 1 <= number <= len(_STATIC):
            return _STATIC[number - 1]
        if 0 <= number - len(_STATIC) - 1 < len(self._table):
            return self._table[number - len(_STATIC) - 1]
        raise BadHeaders(f"no header has the number {number}")

    def _literal(self, block: bytes, at: int, bits: int) -> tuple[Field, int]:
        number, at = _integer(block, at, bits)
        if number:
            name = self._numbered(number)[0]
        else:
            name, at = _text(block, at)
        value, at = _text(block, at)
        return (name, value), at

    def _remember(self, field: Field) -> None:
        self._changed = True
        self._table.insert(0, field)
        self._size += len(field[0]) + len(field[1]) + _ENTRY
        self._shrink()

    def _shrink(self) -> None:
        while self._size > self._limit:
            name, value = self._table.pop()
            self._size -= len(name) + len(value) + _ENTRY


_MOST_KNOWN = 16
"""Blocks that are known by their bytes; a sender repeats few."""


def _integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """Return a number of which the first ``bits`` bits stand in its first byte, and where it ends."""
    full = (1 << bits) - 1
    if at >= len(block):
        raise BadHeaders("the headers end within a number")
    number = block[at] & full
    at += 1
    if number < full:
        return number, at
    shift = 0
    while at < len(block):
        byte = block[at]
        at += 1
        number += (byte & 0x7F) << shift
        if number > _MOST_INTEGER or shift > 28:
            raise BadHeaders("a number in the headers is too large")
        if not byte & 0x80:
            return number, at
        shift += 7
    raise BadHeaders("the headers end within a number")


def _text(block: bytes, at: int) -> tuple[bytes, int]:
    packed = at < len(block) and bool(block[at] & 0x80)
    size, at = _integer(block, at, 7)
    if at + size > len(block):
        raise BadHeaders("the headers end within a text")
    text = block[at : at + size]
    return (unpack_text(text) if packed else text), at + size


def field(name: bytes, value: bytes) -> bytes:
    """Return the bytes of a field that nobody has to remember, in plain letters.

    >>> HeaderReader(1000).read(field(b"grpc-status", b"0"))
    ((b'grpc-status', b'0'),)
    """
    return b"".join((b"\x00", _plain(name), _plain(value)))


def _plain(text: bytes) -> bytes:
    size = len(text)
    if size < 0x7F:
        return bytes((size,)) + text
    begin, size = bytearray((0x7F,)), size - 0x7F
    while size >= 0x80:
        begin.append(size & 0x7F | 0x80)
        size >>= 7
    begin.append(size)
    return bytes(begin) + text
