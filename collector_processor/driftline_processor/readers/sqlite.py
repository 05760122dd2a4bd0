"""Read a table, view or query of an SQLite database, opened read-only: `sqlite:///log.db?table=predictions`.

A query can only read: it cannot attach databases, load extensions or write.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa

from driftline_processor.core.nearest_names import listed, near

from .addresses import Address, address_of
from .errors import BadInput
from .json_rows import JsonSource, ParsedLines, array_of, flattened, texts_of
from .spool import batch_rows

_CHUNK = 50_000
_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, 33}  # 33: SQLITE_RECURSIVE
_NO_FUNCTIONS = ("load_extension", "readfile", "writefile", "edit", "fts3_tokenizer")


class SqliteSource(JsonSource):
    """The rows of a database, read once; fields of objects in JSON texts are columns too. Bytes are ignored."""

    def _blocks(self, path: Path) -> Iterator[ParsedLines]:
        address = address_of(path)
        with _opened(address) as database:
            query = address.query or f"SELECT * FROM {_quoted(_table(database, address))}"
            for names, rows in _chunks(database, query):
                arrays, mixed = dict[str, pa.Array](), set[str]()
                for name, cells in zip(names, zip(*rows, strict=True), strict=True):
                    values = [None if isinstance(cell, bytes) else cell for cell in cells]
                    array = array_of(values)
                    mixed |= {name} if array is None and name not in arrays else set()
                    arrays.setdefault(name, texts_of(values) if array is None else array)
                table, inside = flattened(pa.table(arrays), self._text)
                yield ParsedLines(table, mixed=inside | mixed)


def _chunks(database: sqlite3.Connection, query: str) -> Iterator[tuple[list[str], list[tuple[object, ...]]]]:
    """Yield the names of the columns and the next rows."""
    cursor = database.execute(query)
    names = [str(cell[0]) for cell in cursor.description]
    chunks, size = 0, min(_CHUNK, batch_rows(len(names)))
    while True:
        try:
            rows = cursor.fetchmany(size)
        except sqlite3.OperationalError as error:
            if "decode" not in str(error) or database.text_factory is not str:
                raise
            # Invalid UTF-8 in a text. Replacing characters takes 50 % longer for all texts.
            database.text_factory = lambda text: text.decode("utf-8", "replace")
            cursor = database.execute(query)
            for _ in range(chunks):
                cursor.fetchmany(size)
            continue
        if not rows:
            return
        yield names, rows
        chunks += 1


def _table(database: sqlite3.Connection, address: Address) -> str:
    """Return the name of the table or view to read."""
    listing = (
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    names = tuple(str(row[0]) for row in database.execute(listing))
    if address.table in names:
        return address.table
    if address.table:
        raise BadInput(f"{address.file}: no table '{address.table}'; {near(address.table, names)}")
    if len(names) == 1:
        return names[0]
    raise BadInput(
        f"{address.file}: the tables are {listed(names)}; use one, such as sqlite:///{address.file}?table={names[0]}"
        if names
        else f"{address.file}: the database has no table"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def _opened(address: Address) -> Iterator[sqlite3.Connection]:
    if not address.file.is_file():
        raise BadInput(f"{address.file}: no such file")
    try:
        database = sqlite3.connect(f"file:{quote(str(address.file.absolute()))}?mode=ro", uri=True)
        try:
            database.execute("PRAGMA query_only = ON")
            database.set_authorizer(_may)
            yield database
        finally:
            database.close()
    except (sqlite3.Error, sqlite3.Warning) as error:
        query_words = f"the query '{address.query:.80}'" if address.query else "the database"
        raise BadInput(f"{address.file}: {query_words} cannot be read: {error}") from error


def _may(action: int, *about: str | None) -> int:
    if action not in _READS or (action == sqlite3.SQLITE_FUNCTION and about[1] in _NO_FUNCTIONS):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK
