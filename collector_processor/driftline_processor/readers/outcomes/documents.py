"""Parse documents of outcomes to columns.

A million labels in a file take seconds: columns of one type are converted by Arrow, and only columns of several types
are read value by value.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
from driftline.tables.classes import EXACT
from numpy.typing import NDArray

from driftline_processor.core.decode.attributes import MAX_ROWS
from driftline_processor.core.decode.untrusted_json import (
    TooLarge,
    TooManyValues,
    UnreadableJson,
    distinct_keys,
    has_null_line,
    load_json,
    shape_of,
)
from driftline_processor.core.lazy_modules import pc

from .column_reader import convert_columns, convert_objects, misfit_reason
from .fields import FIELDS, IDS, MalformedOutcomes, UnusableField, text_of
from .outcome_rows import SHOWN_REJECTIONS, ParsedDocument, join_parts

NDJSON_BLOCK = 2**20
"""Bytes of lines per block."""

MAX_LINE = 2**20
"""Maximum bytes of one line of NDJSON: a thousand times the size of an outcome."""

MAX_HEADER = 2**18
"""Maximum bytes of the header of a CSV: 64 slices with names of the maximum length."""

MAX_COLUMNS = 200
"""Maximum number of columns, twice the number of fields of outcomes; a file with more is of another kind."""

MAX_CELLS = 2**25
"""Maximum number of cells: 30 columns of the largest document."""

_BLOCK_CELLS = 2**22
"""Maximum number of cells per block: Arrow creates a column per key, so 100 KiB of keys could need a gigabyte."""

MARK = "'"
"""Prefix that spreadsheets use to mark a cell as text."""

_NO_JSON = "this is not JSON"


def parse_json(body: bytes, model: str | None, environment: str | None) -> ParsedDocument:
    """Read ``{"model": …, "outcomes": [{"id": …, "actual": …}, …]}``.

    Raises :class:`MalformedOutcomes` for another document, or if no model is named.
    """
    document = _loads(body)
    if not isinstance(document, dict) or not isinstance(document.get("outcomes"), list):
        raise MalformedOutcomes('send an object like {"model": "churn", "outcomes": [{"id": "A-1", "actual": 1}]}')
    unknown = [key for key in document if key not in ("model", "environment", "outcomes")]
    if unknown:
        raise MalformedOutcomes(f"unknown key {unknown[0][:80]!r}; the keys are 'model', 'environment' and 'outcomes'")
    try:
        model = text_of(document.get("model"), "model") or model
        environment = text_of(document.get("environment"), "environment") or environment
    except UnusableField as reason:
        raise MalformedOutcomes(str(reason)) from None
    outcomes = document["outcomes"]
    check_rows(len(outcomes))
    if not model and not any(isinstance(item, dict) and item.get("model") for item in outcomes):
        raise MalformedOutcomes('the model is missing; send {"model": "churn", "outcomes": […]}')
    return convert_objects(outcomes, model, environment)


def parse_ndjson(body: bytes, model: str | None, environment: str | None) -> ParsedDocument:
    """Read one outcome per line; blank lines are skipped without counting, a line that is not JSON is rejected.

    Raises :class:`MalformedOutcomes` if no line is JSON, because it is another kind of file.
    """
    parts: list[ParsedDocument] = []
    rows = begin = 0
    while begin < len(body):
        # In blocks, so that one unusual line affects only its block.
        end = body.find(b"\n", begin + NDJSON_BLOCK) + 1 or len(body)
        block = body[begin:end]
        parsed = _block_by_columns(block, model, environment)
        if parsed is None:
            parsed = convert_objects(list(_lines(block)), model, environment)
        parts.append(parsed)
        rows += len(parsed.rows) + parsed.rejections
        check_rows(rows)
        begin = end
    if not parts:
        return convert_objects([], model, environment)
    parsed = join_parts(parts)
    if parsed.rejected and not len(parsed.rows) and all(why.startswith(_NO_JSON) for _, why in parsed.rejected):
        raise MalformedOutcomes(f"no line is JSON; the first error: {parsed.rejected[0][1]}")
    return parsed


def check_rows(rows: int) -> None:
    """Raise :class:`TooLarge` for more rows than the maximum per document."""
    if rows > MAX_ROWS:
        raise TooLarge(f"the request has more than {MAX_ROWS:,} rows; send it in parts")


def _block_by_columns(block: bytes, model: str | None, environment: str | None) -> ParsedDocument | None:
    """Read lines with one type per column; None if types differ or Arrow must not read them."""
    longest_begin = block.rfind(b"\n", 0, -1) + 1  # the last line of a block may exceed its size
    # 8: maximum nesting that is read column by column; an outcome has three levels
    if len(block) - longest_begin > MAX_LINE or shape_of(block).depth > 8 or not _is_utf8(block):
        return None  # Arrow takes any bytes for a text, and DuckDB then fails to store them
    if has_null_line(block) or distinct_keys(block) * block.count(b"{") > _BLOCK_CELLS:
        return None
    try:
        table = pa.json.read_json(pa.BufferReader(block), pa.json.ReadOptions(block_size=len(block) + 1))
        if misfit_reason(table) or any(map(_may_merge_integers, table.column_names, table.columns)):
            return None
        return convert_columns(table, model, environment)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _may_merge_integers(name: str, column: pa.ChunkedArray) -> bool:
    """Return True for ids or classes of which Arrow may have read an integer as a double.

    It reads all numbers of a column as doubles if one has decimals or is an integer of 2^63 or more.
    """
    if not pa.types.is_float64(column.type) or name in ("weight", "value"):
        return False
    return name in IDS or bool(pc.any(pc.greater_equal(pc.abs(column), float(EXACT))).as_py())


def _lines(block: bytes) -> Iterator[object]:
    for line in block.splitlines():
        if len(line) > MAX_LINE:
            yield UnusableField(f"the line has {len(line):,} bytes, but at most {MAX_LINE:,} are allowed")
        elif line.strip():
            try:
                yield _loads(line)
            except MalformedOutcomes as reason:
                yield UnusableField(str(reason))


def parse_csv(body: bytes, model: str | None, environment: str | None) -> ParsedDocument:
    """Read a header line with ``id,actual`` and optionally the other fields, then one outcome per line.

    If the name of a column begins with :data:`MARK`, its texts do too, and the mark is removed from both. A line with
    too few or too many cells, or with invalid UTF-8, is rejected. Raises :class:`MalformedOutcomes` for a header
    without ``id`` or ``actual`` or with an unknown name.
    """
    if b"\0" in body[:1000]:
        raise MalformedOutcomes("this is not UTF-8 text (it may be UTF-16); save the file as CSV UTF-8")
    header = _header(body)
    check_rows(max(body.count(b"\n"), body.count(b"\r")) - 1)
    if body.count(b",") > MAX_CELLS:
        raise TooLarge(f"the request has more than {MAX_CELLS:,} cells; send it in parts")
    torn: list[int] = []
    odd = not _is_utf8(body)
    if odd:
        body = body.decode("utf-8", "replace").encode()

    def skip(row: pa.csv.InvalidRow) -> str:
        torn.append(row.number - 2 if row.number else 0)  # 1 is the header
        return "skip"

    try:
        table = pa.csv.read_csv(
            pa.BufferReader(body),
            read_options=pa.csv.ReadOptions(use_threads=False, block_size=max(len(body), 1)),
            parse_options=pa.csv.ParseOptions(invalid_row_handler=skip),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys([*FIELDS, *header], pa.string()),
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise MalformedOutcomes(f"this is not a CSV with a header line such as id,actual,time: {error}") from None
    table = _unmarked(table)
    _check_columns(table)
    parsed = convert_columns(table, model, environment, bare_numbers=True, torn=_replaced(table) if odd else None)
    if torn:
        kept_rows = np.setdiff1d(np.arange(table.num_rows + len(torn)), torn)
        parsed.rejected = [(int(kept_rows[index]), reason) for index, reason in parsed.rejected]
        reason = f"the line does not have {table.num_columns} cells, as the header has"
        rejections = parsed.rejections + len(torn)
        parsed.rejected = sorted([*parsed.rejected, *((index, reason) for index in torn[:SHOWN_REJECTIONS])])
        parsed.rejected = parsed.rejected[:SHOWN_REJECTIONS]
        parsed.more = rejections - len(parsed.rejected)
    return parsed


def _unmarked(table: pa.Table) -> pa.Table:
    """Return a table without the text marks of spreadsheets."""
    for index, name in enumerate(table.column_names):
        if name.startswith(MARK):
            if name[1:] in table.column_names:
                raise MalformedOutcomes(
                    f"the header has {name[1:][:80]!r} and {name[:80]!r}, which are the same column; keep one of them"
                )
            table = table.set_column(index, name[1:], pc.replace_substring_regex(table.column(index), f"^{MARK}", ""))
    return table


def _is_utf8(body: bytes) -> bool:
    try:
        pa.array([body], pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


def _replaced(table: pa.Table) -> NDArray[np.bool_]:
    """Return which rows contain invalid UTF-8."""
    texts = [column for column in table.columns if pa.types.is_string(column.type)]
    has_replacement = [pc.fill_null(pc.match_substring(column, "\ufffd"), False).to_numpy() for column in texts]
    return np.any(has_replacement, axis=0) if has_replacement else np.zeros(table.num_rows, np.bool_)


def _header(body: bytes) -> list[str]:
    """Return the column names of a CSV. Raises :class:`MalformedOutcomes` if the header has no end."""
    text = io.StringIO(body[:MAX_HEADER].decode("utf-8-sig", "replace"), newline="")
    try:
        names = next(filter(None, csv.reader(text)), [])
    except csv.Error as error:
        raise MalformedOutcomes(f"this is not a CSV with a header line such as id,actual,time: {error}") from None
    if len(body) > MAX_HEADER and not text.read(1):
        raise MalformedOutcomes(f"the header has more than {MAX_HEADER:,} bytes; it requires only id and actual")
    if len(names) > MAX_COLUMNS:
        raise MalformedOutcomes(f"the header has {len(names):,} columns, but at most {MAX_COLUMNS} are allowed")
    return names


def _check_columns(table: pa.Table) -> None:
    """Raise :class:`MalformedOutcomes` if a required column is missing or has an unsupported type."""
    names = table.column_names
    for name in ("id", "actual"):
        if name not in names and not (name == "actual" and "retracted" in names):
            semicolons = len(names) == 1 and ";" in names[0]
            hint = " (columns are separated by commas)" if semicolons else ""
            raise MalformedOutcomes(f"the header has no column {name!r}; id and actual are required{hint}")
    if wrong := misfit_reason(table, bare_numbers=True):
        raise MalformedOutcomes(wrong)


def _loads(body: bytes) -> object:
    try:
        return load_json(body)
    except TooManyValues as reason:
        raise TooLarge(f"the request is too large: {reason}; send it in parts") from None
    except UnreadableJson as reason:
        raise MalformedOutcomes(f"{_NO_JSON}: {reason}") from None
