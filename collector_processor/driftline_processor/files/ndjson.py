"""Read JSON: an object a line or a list of them, one row each; objects in lines of a log, too."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.json

from driftline_processor.core.decode.json_text import MAX_DEPTH, UnreadableJson, load_json, shape_of

from .errors import BadInput, Say, rows
from .nested import columns_of, flattened

_SPACE = re.compile(r"\s*")
_STAMP = re.compile(rb"\s*\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)")
LOGGED = "asctime"
"""The column of the time at which a line of a log begins, as Python's `logging` calls it."""


class Lines(NamedTuple):
    """How many lines could not be read, and the number of the first; ``noun``: what they are."""

    bad: int = 0
    first: int = 0
    noun: str = "line"

    def tell(self, path: Path, say: Say) -> None:
        """Name them."""
        if self.bad:
            say(f"{path}: {rows(self.bad, self.noun)} left out: {self.noun} {self.first} is no JSON object")


class Parsed(NamedTuple):
    """Lines as columns. ``mixed``: the columns that hold several types; all of their values are texts here."""

    table: pa.Table
    lines: Lines = Lines()
    mixed: frozenset[str] = frozenset()


def read_ndjson(path: Path, say: Say, text: Collection[str] = ()) -> tuple[pa.Table, frozenset[str]]:
    """Parse JSON into columns, by Arrow where every line and every column is of one mind.

    A line that is no JSON object, or a column that changes its type, makes Arrow refuse the whole file; then the lines
    are parsed one by one, what cannot be read is named and left out, and a column of several types becomes text. JSON
    has no times: a column of texts of which each is one is read as times, but for those named in ``text``.

    Returns the table, and the columns of several types. Raises :class:`BadInput` when no line is an object.
    """
    with pa.input_stream(str(path), compression="detect") as stream:
        data = stream.read()
    table, bad, mixed = parse_lines(data, 1, text) if (found := listed_lines(data)) is None else found.parse(text)
    if not table.num_rows:
        raise BadInput(f'{path}: no line is a JSON object; NDJSON has one object a line, as in {{"age": 31}}')
    check_rows(path, table)
    bad.tell(path, say)
    return table, mixed


def check_rows(path: Path, table: pa.Table) -> None:
    """Raise :class:`BadInput` where a file is one object of columns, as pandas writes one that is told nothing."""
    if table.num_rows == 1 and sum(name.endswith((".0", ".1")) for name in table.schema.names) > 1:
        raise BadInput(
            f"{path}: it is one object of columns, and rows are read; write it with "
            "df.to_json(path, orient='records', lines=True)"
        )


class Listed(NamedTuple):
    """Objects of a list, or over several lines, as lines; ``cut``: the text ends within one."""

    lines: bytes
    objects: int
    cut: bool

    def parse(self, text: Collection[str]) -> Parsed:
        """Return them as columns."""
        found = parse_lines(self.lines, 1, text)
        bad = found.lines.bad + self.cut
        return found._replace(lines=Lines(bad, found.lines.first or (self.objects + 1 if self.cut else 0), "object"))


def listed_lines(data: bytes) -> Listed | None:
    """Return the objects of a JSON list, or those that are written over several lines; None of anything else.

    >>> listed_lines(b'[{"a": 1},\\n {"a":\\n 2}]')
    Listed(lines=b'{"a": 1}\\n{"a":  2}', objects=2, cut=False)
    """
    start = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    first = data[len(data[:4096]) - len(start) :].partition(b"\n")[0]
    if not start.startswith((b"[", b"{")) or _object(first) is not None:
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    decode, lines, cut = json.JSONDecoder().raw_decode, list[str](), False
    at = _after_space(text, 0)
    is_list = text[at] == "["
    at = _after_space(text, at + is_list)
    while at < len(text) and text[at] != "]":
        try:
            _, end = decode(text, at)
        except (ValueError, RecursionError):
            cut = True
            break
        lines.append(text[at:end].replace("\n", " ").replace("\r", " "))
        at = _after_space(text, end)
        if is_list and text[at : at + 1] == ",":
            at = _after_space(text, at + 1)
    whole = is_list and not cut and text[at : at + 1] == "]" and not text[at + 1 :].strip()
    if not lines or not lines[0].startswith("{") or not (whole or (is_list and cut) or (not is_list and not cut)):
        return None
    return Listed("\n".join(lines).encode(), len(lines), cut)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def parse_lines(data: bytes, first: int, text: Collection[str] = ()) -> Parsed:
    """Parse whole lines of NDJSON; ``first``: the number of the first of them; ``text``: columns that are no times."""
    if shape_of(data).depth > MAX_DEPTH:  # which would end the process in Arrow
        return _line_by_line(data, first, text)
    try:
        table, mixed = flattened(_parse(data, []), text)
        times = [f.name for f in table.schema if f.name in text and pa.types.is_timestamp(f.type)]
        if times:
            table, mixed = flattened(_parse(data, times), text)
        return Parsed(table, mixed=mixed)
    except pa.ArrowInvalid:
        return _line_by_line(data, first, text)


def _parse(data: bytes, text: list[str]) -> pa.Table:
    return pa.json.read_json(
        pa.BufferReader(data),
        read_options=pa.json.ReadOptions(block_size=1 << 24),
        parse_options=pa.json.ParseOptions(explicit_schema=pa.schema(_as_texts(text))),
    )


def _as_texts(names: list[str]) -> list[pa.Field]:
    """Fields of texts, those of dotted names within objects."""
    plain = [pa.field(name, pa.string()) for name in names if "." not in name]
    inside: dict[str, list[str]] = {}
    for name in names:
        if "." in name:
            above, _, below = name.partition(".")
            inside.setdefault(above, []).append(below)
    return plain + [pa.field(name, pa.struct(_as_texts(below))) for name, below in inside.items()]


def _line_by_line(data: bytes, start: int, text: Collection[str] = ()) -> Parsed:
    bad = first = 0

    def objects() -> Iterator[dict[str, Any]]:
        nonlocal bad, first
        for number, line in enumerate(data.splitlines(), start):
            if not line.strip():
                continue
            row = _object(line)
            if row is None:
                row = _logged(line)
            if row is not None:
                yield row
            else:
                bad += 1
                first = first or number

    arrays, mixed = columns_of(objects(), text)
    return Parsed(pa.table(arrays), Lines(bad, first), mixed)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        row = load_json(line)
    except UnreadableJson:
        return None
    return row if isinstance(row, dict) else None


def _logged(line: bytes) -> dict[str, Any] | None:
    """The object at the end of a line of a log, with the time at which the line begins; None where there is none."""
    at = line.find(b"{")
    row = _object(line[at:]) if at > 0 and not line.lstrip().startswith((b"[{", b'"')) else None
    if row is not None and (stamp := _STAMP.match(line)) is not None:
        row.setdefault(LOGGED, stamp[1].decode())
    return row
