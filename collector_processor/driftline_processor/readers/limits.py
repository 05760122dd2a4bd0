"""Limits of files of rows: columns, bytes per line, and bytes after unpacking; and their text as UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from driftline_processor.present.numbers import many

from .errors import BadInput, Say

MOST_COLUMNS = 5_000
"""Maximum number of columns per file: each of them is compared, at some 2 ms; a file with more uses ids as columns."""

LONGEST_LINE = 1 << 27
"""Maximum bytes of a line, because a line is parsed as a whole."""

MOST_TIMES, LEAST_UNPACKED = 200, 256 << 20
"""Maximum bytes of an unpacked file per byte of the packed one, from this number of bytes on.

Tables are packed to a third or a tenth, logs to a fiftieth; a file of one repeated byte to a thousandth.
"""


def check_columns(path: Path | str, names: Collection[str]) -> None:
    """Raise :class:`BadInput` for too many columns."""
    if len(names) > MOST_COLUMNS:
        raise BadInput(
            f"{path}: has {len(names):,} columns, and at most {MOST_COLUMNS:,} are read; write a file with the columns "
            "of the model; if ids are used as columns, write them as values"
        )


def too_long_line(path: Path | str) -> BadInput:
    """Return the error for a line that is too long."""
    return BadInput(
        f"{path}: has a line of more than {LONGEST_LINE >> 20} MiB, the maximum; look for a quotation mark that is not "
        "closed, and for bytes that are not text"
    )


def is_utf16(start: bytes) -> bool:
    """Return True if the first bytes of a file are the byte order mark of UTF-16.

    >>> is_utf16("a".encode("utf-16")), is_utf16("a".encode("utf-8-sig"))
    (True, False)
    """
    return start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


UNDEFINED = (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d")
"""Bytes that cp1252 does not define; a file with one of them is read as Latin-1, in which every byte is a character."""


class TextEncoding:
    """The encoding of bytes: UTF-8 if that is valid for most characters beyond ASCII, else cp1252 or Latin-1.

    Attributes:
        invalid: Number of bytes or sequences of bytes that are not valid in UTF-8.
    """

    def __init__(self) -> None:
        self._valid = self.invalid = 0
        self._undefined = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, data: bytes, final: bool = False) -> None:
        """Count the characters of the next bytes of a file."""
        pending = self._decoder.getstate()[0]
        if data.isascii() and not pending:
            return
        self._undefined = self._undefined or any(byte in data for byte in UNDEFINED)
        text = self._decoder.decode(data, final)
        own = (pending + data).count("\ufffd".encode())
        invalid = text.count("\ufffd") - own
        ascii_bytes = int(np.count_nonzero(np.frombuffer(data, np.uint8) < 128))
        self.invalid += invalid
        self._valid += len(text) - ascii_bytes - invalid

    @property
    def name(self) -> str:
        """The encoding; text in another one than UTF-8 is valid in UTF-8 only by rare chance."""
        if self.invalid <= self._valid:
            return "utf-8"
        return "latin-1" if self._undefined else "cp1252"

    def tell(self, path: Path, say: Say) -> None:
        """Report a file whose text is not UTF-8 throughout."""
        if self.name != "utf-8":
            say(f"{path}: not UTF-8; read as {self.name}; save it as UTF-8 if texts look wrong")
        elif self.invalid:
            say(f"{path}: {many(self.invalid, 'character')} not valid in UTF-8, replaced by U+FFFD")


def encoding_of(path: Path) -> TextEncoding:
    """Read a whole file for its encoding."""
    encoding = TextEncoding()
    with unpacked(path) as stream:
        while data := stream.read(1 << 22):
            encoding.add(data)
        encoding.add(b"", final=True)
    return encoding


class UnpackedFile:
    """The text of a file, unpacked if it is compressed, up to the limit. UTF-16 is converted to UTF-8.

    Attributes:
        utf16: True if the file is UTF-16, known after the first read.
    """

    def __init__(self, path: Path, stream: pa.NativeFile, encoding: str = "") -> None:
        self._path, self._stream = path, stream
        self._read = 0
        self.utf16 = False
        self._decoder = codecs.getincrementaldecoder(encoding or "utf-16")("replace")
        self._is_decoded = bool(encoding)
        self._most = max(LEAST_UNPACKED, MOST_TIMES * path.stat().st_size)

    def read(self, size: int) -> bytes:
        """Return the next bytes. Raises :class:`BadInput` beyond the limit, and for bytes that are not text."""
        data: bytes = self._stream.read(size)
        is_first = self._read == 0
        self._read += len(data)
        if self._read > self._most:
            raise BadInput(
                f"{self._path}: unpacks to more than {self._most >> 20:,} MiB, {MOST_TIMES} times its size, which no "
                "table of rows does; unpack it, and look at its content"
            )
        self.utf16 = self.utf16 or (is_first and is_utf16(data))
        if self.utf16 or self._is_decoded:
            data = self._decoder.decode(data, final=not data).encode()
        if is_first and b"\0" in data[:2]:
            raise BadInput(
                f"{self._path}: has a NUL byte at its start, as in UTF-16 without a mark; save the file as UTF-8"
            )
        return data

    def rest(self) -> bytes:
        """Return all remaining bytes."""
        return b"".join(iter(lambda: self.read(1 << 24), b""))


def compression_of(path: Path | str) -> str | None:
    """Return the compression of a file by its first bytes, because downloads and copies often have the wrong name."""
    with open(path, "rb") as file:
        return "gzip" if file.read(2) == b"\x1f\x8b" else None


@contextmanager
def unpacked(path: Path, encoding: str = "") -> Iterator[UnpackedFile]:
    """Open a file, which may be compressed. ``encoding``: that of its text, "" = UTF-8 or UTF-16 with a mark."""
    with pa.input_stream(str(path), compression=compression_of(path)) as stream:
        yield UnpackedFile(path, stream, encoding)
