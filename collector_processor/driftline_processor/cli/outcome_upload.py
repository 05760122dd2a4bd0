"""Send files of outcomes to a running processor in parts.

A file is split into parts of a fixed number of rows with only the columns of outcomes. CSV is sent as CSV, since only
the receiver knows which texts are numbers; Parquet, JSON and NDJSON are sent as NDJSON. Invalid rows are sent as well,
so that the receiver reports them with the row numbers of the file.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
from driftline.export.backoff import doubling_pauses, seconds_to_wait
from msgspec import Struct, field

from driftline_processor.core.decode.untrusted_json import UnreadableJson, load_json
from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.nearest_names import listed, near
from driftline_processor.exporters.otlp import RETRYABLE_STATUSES
from driftline_processor.present.csv_cells import plain_cell
from driftline_processor.present.numbers import count, many
from driftline_processor.readers.errors import BadInput, Say
from driftline_processor.readers.limits import is_utf16
from driftline_processor.readers.outcomes.column_reader import misfit_reason, plain_table
from driftline_processor.readers.outcomes.documents import MARK
from driftline_processor.readers.outcomes.fields import FIELDS, SLICE
from driftline_processor.readers.source import readable
from driftline_processor.readers.sources import check_path, format_of

from .connection import WAIT, Connection, foreign

ROWS = 50_000
"""Rows per part: some megabytes, processed within a second."""


class UploadPart(Struct, frozen=True):
    """A part of a file of outcomes; ``models``: model names in its rows."""

    first: int
    rows: int
    kind: str
    body: bytes
    models: frozenset[str] = frozenset()


class OutcomeColumns(Struct, frozen=True):
    """The columns of a file of outcomes.

    Attributes:
        by_field: Field → column; other columns are found by the fields' names.
        without: Fields that are not read from the file.
    """

    by_field: Mapping[str, str]
    without: frozenset[str] = frozenset()

    def chosen(self, names: Sequence[str], path: Path, say: Say) -> dict[str, str]:
        """Return column → field to send. Raises :class:`BadInput` for a missing column."""
        for name, column in self.by_field.items():
            if column not in names:
                raise BadInput(f"{path}: no column {column!r} for {name}; {near(column, tuple(names))}")
        chosen = {column: field for field, column in self.by_field.items()}
        fields = set(self.by_field) | self.without
        chosen |= {name: name for name in names if _is_field(name) and name not in fields and name not in chosen}
        needed = ("id",) if "retracted" in chosen.values() else ("id", "actual")
        for name in needed:
            if name not in chosen.values():
                hint = f"set it with --{name} COLUMN; available: {listed(list(names))}"
                raise BadInput(f"{path}: no column {name!r}; {hint}")
        left = [name for name in names if name not in chosen]
        if left:
            say(f"{path}: columns that are not sent: {listed(left)}")
        return chosen


def _is_field(name: str) -> bool:
    return name in FIELDS or name.startswith(SLICE)


def split_outcomes(path: Path, columns: OutcomeColumns, say: Say, rows: int = ROWS) -> Iterator[UploadPart]:
    """Yield the parts of a file with ``rows`` rows each. Raises :class:`BadInput` if it cannot be read."""
    check_path(path)
    read = {"parquet": _parquet, "csv": _csv, "ndjson": _ndjson}.get(format_of(path))
    if read is None:
        raise BadInput(
            f"{path}: outcomes can be sent only from Parquet, CSV, JSON or NDJSON files; "
            "export the table to one of these formats"
        )
    with readable(path):
        first = 0
        for count, kind, body, models in read(path, columns, say, rows):
            yield UploadPart(first, count, kind, body, frozenset(filter(None, models)))
            first += count


_Bodies = Iterator[tuple[int, str, bytes, Iterable[str]]]
"""Number of rows of a part, its media type, its bytes, and its model names."""


def _csv(path: Path, columns: OutcomeColumns, say: Say, rows: int) -> _Bodies:
    with _text(path) as lines:
        reader = csv.reader(lines, delimiter="\t" if ".tsv" in path.name.lower() else ",")
        header = next(reader, [])
        marked = {name[1:] for name in header if name.startswith(MARK)}  # the receiver removes the quotes
        header = [name.removeprefix(MARK) for name in header]
        chosen = columns.chosen(header, path, say)
        marks = {column: MARK if column in marked else "" for column in chosen}
        places = [(header.index(column), f"{marks[column]}{field}") for column, field in chosen.items()]
        of_model = [(header.index(column), marks[column]) for column, field in chosen.items() if field == "model"]
        torn = [""] * (len(places) + 1)
        cells = (line for line in reader if line)
        while block := list(islice(cells, rows)):
            out = io.StringIO()
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow([field for _, field in places])
            models: set[str] = set()
            for line in block:
                # The receiver would read a line break within a cell as another row; it reports a broken line as such.
                is_complete = len(line) == len(header)
                writer.writerow([" ".join(line[index].splitlines()) for index, _ in places] if is_complete else torn)
                models.update(line[index].removeprefix(mark) for index, mark in of_model if is_complete)
            yield len(block), "text/csv", _bytes(out.getvalue()), models


def _parquet(path: Path, columns: OutcomeColumns, say: Say, rows: int) -> _Bodies:
    file = pq.ParquetFile(path)
    chosen = columns.chosen(file.schema_arrow.names, path, say)
    for batch in file.iter_batches(rows, columns=list(chosen)):
        table = pa.Table.from_batches([batch]).select(list(chosen)).rename_columns(list(chosen.values()))
        table = plain_table(table)
        if wrong := misfit_reason(table):
            raise BadInput(f"{path}: {wrong}")
        models = pc.unique(table["model"]).to_pylist() if "model" in table.column_names else []
        fields = [_json_values(column) for column in table.columns]
        lines = (dict(zip(table.column_names, row, strict=True)) for row in zip(*fields, strict=True))
        yield len(table), "application/x-ndjson", _bytes("\n".join(map(json.dumps, lines))), _texts(models)


def _json_values(column: pa.ChunkedArray) -> list[Any]:
    """Return the values of a column for JSON: times as text, and NaN as null."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.string())
    elif pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return list(column.to_pylist())


def _ndjson(path: Path, columns: OutcomeColumns, say: Say, rows: int) -> _Bodies:
    with _text(path) as lines:
        outcomes = _document(lines.read(), path) if ".json" in path.suffixes else filter(str.strip, lines)
        chosen: dict[str, str] = {}
        while block := list(islice(outcomes, rows)):
            read = [_loaded(line) for line in block]
            if not chosen:
                chosen = columns.chosen(_keys(read), path, say)
            model_columns = [column for column, field in chosen.items() if field == "model"]
            models = {text for row in read if isinstance(row, dict) for text in _texts(map(row.get, model_columns))}
            body = _bytes("\n".join(_line(row, chosen, columns) for row in read))
            yield len(block), "application/x-ndjson", body, models


def _texts(values: Iterable[Any]) -> set[str]:
    return {value for value in values if isinstance(value, str)}


def _document(text: str, path: Path) -> Iterator[Any]:
    """Return the outcomes of a JSON document: a list, or the list under ``outcomes``; else its lines."""
    try:
        document = load_json(_bytes(text), len(text))
    except UnreadableJson:
        return filter(str.strip, iter(text.splitlines()))
    outcomes = document.get("outcomes", [document]) if isinstance(document, dict) else document
    if not isinstance(outcomes, list):
        raise BadInput(f'{path}: no outcomes; use a list of outcomes, or {{"outcomes": […]}}')
    shared = {
        name: document[name] for name in ("model", "environment") if isinstance(document, dict) and name in document
    }
    return iter([shared | row if isinstance(row, dict) else row for row in outcomes])


def _loaded(line: Any) -> Any:
    if not isinstance(line, str) or not _is_unicode(line):
        return line
    try:
        return load_json(line.encode())
    except UnreadableJson:
        return line  # the receiver reports the error


def _keys(rows: list[Any]) -> list[str]:
    return list(dict.fromkeys(key for row in rows if isinstance(row, dict) for key in row))


def _line(row: Any, chosen: Mapping[str, str], columns: OutcomeColumns) -> str:
    """Return a row as a line; a new key is sent if it is a field of outcomes."""
    if not isinstance(row, dict):
        return " ".join(row.splitlines()) if isinstance(row, str) else json.dumps(row)
    fields = {key: chosen.get(key, key) for key in row}
    record = {field: row[key] for key, field in fields.items() if key in chosen or _is_field(key)}
    return json.dumps({field: value for field, value in record.items() if field not in columns.without})


def _text(path: Path) -> IO[str]:
    """Open a text file in UTF-8; invalid bytes are sent unchanged, and the receiver reports their lines."""
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rb") as file:
        if is_utf16(file.read(2)):
            raise BadInput(f"{path}: the file is UTF-16; save it as UTF-8")
    return opened(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0


class UploadResult(Struct):
    """The result of uploading one file.

    Attributes:
        reasons: (row from 1, or None if only the number of rows is known; number of rows; reason).
        unknown: Reason why accepted outcomes cannot be used as far as the receiver knows → their number.
        models: Model names in its rows.
    """

    accepted: int = 0
    rejected: int = 0
    reasons: list[tuple[int | None, int, str]] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    models: set[str] = field(default_factory=set)


class UploadTarget(Struct, frozen=True):
    """The destination of outcomes, and their model.

    Attributes:
        server: The processor.
        timeout: Seconds for which a part is retried.
        pause: Waits some seconds before another attempt.
        clock: Monotonic seconds.
    """

    server: Connection
    model: str = ""
    environment: str = ""
    # 60.0: seconds for which one part is tried again: a processor that starts again, or writes its file anew, takes
    # less
    timeout: float = 60.0
    pause: Callable[[float], object] = time.sleep
    clock: Callable[[], float] = time.monotonic


def upload_outcomes(
    path: Path, target: UploadTarget, columns: OutcomeColumns, say: Say, sent: Callable[[int], object], rows: int = ROWS
) -> UploadResult:
    """Send one file; ``sent`` is called with the number of rows that are stored.

    Raises :class:`BadInput` if the file cannot be read, or a part is rejected or not accepted.
    """
    pushed = UploadResult()
    with target.server.open(120.0) as client:
        _check_silence(client, target.server)
        for part in split_outcomes(path, columns, say, rows):
            _take(pushed, part, _send(client, part, target, say))
            pushed.models |= part.models
            sent(part.rows)
    return pushed


def _check_silence(client: httpx.Client, server: Connection) -> None:
    """Raise :class:`BadInput` if a port says nothing, before each of its parts waits for an answer."""
    try:
        client.get("/healthz", timeout=WAIT)
    except httpx.TimeoutException as error:
        raise BadInput(server.failure(error)) from None
    except (httpx.HTTPError, httpx.InvalidURL):
        pass  # the first part is retried


def _take(pushed: UploadResult, part: UploadPart, answer: dict[str, Any]) -> None:
    rejected = [(None if row["index"] is None else part.first + row["index"] + 1, row.get("rows", 1), row["reason"])
                for row in answer["rejected"]]  # fmt: skip
    if answer.get("more_rejected"):
        rejected.append((None, answer["more_rejected"], "more rows of the same part were rejected"))
    pushed.reasons += rejected
    pushed.accepted += answer["accepted"]
    pushed.rejected += sum(rows for _, rows, _ in rejected)
    for outcomes in answer.get("unknown", ()):
        if outcomes["kind"] != "model":  # the models of a file are compared before, with all their names
            pushed.unknown[outcomes["reason"]] += outcomes["rows"]


def _send(client: httpx.Client, part: UploadPart, target: UploadTarget, say: Say) -> dict[str, Any]:
    query = {"model": target.model, "environment": target.environment}
    parameters = {name: value for name, value in query.items() if value}
    headers = {"content-type": part.kind}
    post = lambda: client.post("/v1/outcomes", params=parameters, content=part.body, headers=headers)  # noqa: E731
    before = f"the first {many(part.first)}" if part.first else "nothing"
    return dict(_answer_document(_answer(post, target, before, say), target.server))


def _answer(ask: Callable[[], httpx.Response], target: UploadTarget, before: str, say: Say) -> httpx.Response:
    """Retry with increasing pauses until there is a final answer, or until the time is over.

    Failed connections and the errors that the OTLP specification calls retryable are retried.
    """
    address = target.server.address
    end: float | None = None
    for wait in doubling_pauses(_SHORTEST_PAUSE, _LONGEST_PAUSE):
        pause, present = wait, f"{before} have arrived" if before != "nothing" else ""
        try:
            answer = ask()
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise BadInput(f"--endpoint: {address} is not a URL: {error}") from None
        except httpx.HTTPError as error:
            if target.server.is_final(error):
                raise BadInput(target.server.failure(error)) from None
            problem = f"no response from {address} ({type(error).__name__})"
            present = present or "start 'driftline up', or use --endpoint with the URL of a running one"
        else:
            if answer.status_code not in RETRYABLE_STATUSES:
                return answer
            problem = f"{address} returned {answer.status_code}{_reason(answer)}"
            seconds = seconds_to_wait(answer.headers.get("retry-after", ""))
            pause = wait if seconds is None else max(seconds, _SHORTEST_PAUSE)
        if end is None:
            end = target.clock() + target.timeout
        left = end - target.clock()
        if pause > left:
            break
        if wait == _SHORTEST_PAUSE:
            say(f"{problem}; retrying for {left:.0f} s")
        target.pause(pause)
    raise BadInput(f"{problem}; {present or 'nothing has arrived'}; run the command again, and no row counts twice")


def _reason(answer: httpx.Response) -> str:
    try:
        return f": {answer.json()['error']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _answer_document(answer: httpx.Response, server: Connection) -> Any:
    try:
        document = answer.json()
        if answer.is_success:
            return {**document, "accepted": int(document["accepted"]), "rejected": list(document["rejected"])}
        message = document["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        message = foreign(answer, "the address of the pages or of OTLP/HTTP")
    raise BadInput(server.refusal(answer.status_code, message))


def sentences(path: Path, pushed: UploadResult, limit: int) -> Iterator[str]:
    """Yield the result of a file: number of rows, and the reasons of the first rejected rows."""
    yield f"{path}: {count(pushed.accepted)} accepted, {count(pushed.rejected)} rejected"
    for row, rows, reason in pushed.reasons[:limit]:
        yield f"  {f'row {count(row)}' if row is not None else many(rows)}: {reason}"
    if len(pushed.reasons) > limit:
        yield f"  and {count(len(pushed.reasons) - limit)} more; use --rejected FILE to write all of them"
    for reason, rows in pushed.unknown.items():
        yield f"  {count(rows)} accepted, but {reason}"


def write_rejected(path: Path, results: Sequence[tuple[Path, UploadResult]]) -> None:
    """Write the rejected rows as CSV: file, row, rows, reason."""
    import csv

    try:
        with path.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(("file", "row", "rows", "reason"))
            for file, pushed in results:
                writer.writerows(
                    map(plain_cell, (str(file), row, rows, reason)) for row, rows, reason in pushed.reasons
                )
    except OSError as error:
        raise BadInput(f"--rejected {path}: cannot be written: {error.strerror}") from error
