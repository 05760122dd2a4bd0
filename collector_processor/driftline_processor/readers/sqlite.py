"""Read a table, a view or a query of an SQLite database, which is opened read-only: `sqlite:///log.db?table=predictions`.

A query may read and nothing else: no other database is attached, no extension loaded, nothing written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa

from .addresses import Address, address_of
from .errors import BadInput, listed, near
from .json_rows import array_of, flattened, texts_of

_CHUNK = 50_000
_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, 33}  # 33: SQLITE_RECURSIVE
_NO_FUNCTIONS = ("load_extension", "readfile", "writefile", "edit", "fts3_tokenizer")


def read_sqlite(path: Path, text: Collection[str] = ()) -> tuple[pa.Table, frozenset[str]]:
    """Read rows into columns, the fields of objects in JSON texts, too; and tell the columns of several types.

    ``text``: columns whose texts are no times. A column without any value is missing, bytes are no values.
    Raises :class:`BadInput` where the database has no such table, or cannot be read.
    """
    address = address_of(path)
    with _opened(address) as database:
        try:
            names, chunks, chunk_values = _rows(database, address)
        except sqlite3.OperationalError as error:
            if "decode" not in str(error):
                raise
            # A text is no UTF-8. The reading that costs it its letters alone takes half as long again, of all texts.
            database.text_factory = lambda text: text.decode("utf-8", "replace")
            names, chunks, chunk_values = _rows(database, address)
    if not chunks:
        raise BadInput(f"{path}: there are no rows")
    columns_by_name, several = dict[str, pa.ChunkedArray](), set[str]()
    for index, name in enumerate(names):
        column, mixed = _whole([arrays[index] for arrays in chunks], [values[index] for values in chunk_values])
        columns_by_name.setdefault(name, column)
        several |= {name} if mixed else set()
    table, inside = flattened(pa.table(columns_by_name), text)
    return table, frozenset(several | inside)


def _rows(
    database: sqlite3.Connection, address: Address
) -> tuple[list[str], list[list[pa.Array | None]], list[list[list[object]]]]:
    """Return the names of the columns; and of each chunk of rows the columns, None for one of several types, and those.

    Raises :class:`BadInput` where the database has no such table.
    """
    cursor = database.execute(address.query or f"SELECT * FROM {_quoted(_table(database, address))}")
    names = [str(cell[0]) for cell in cursor.description]
    chunks: list[list[pa.Array | None]] = []
    chunk_values: list[list[list[object]]] = []
    while rows := cursor.fetchmany(_CHUNK):
        columns = [[None if isinstance(cell, bytes) else cell for cell in column] for column in zip(*rows, strict=True)]
        arrays = [array_of(column) for column in columns]
        chunks.append(arrays)
        chunk_values.append([column if array is None else [] for column, array in zip(columns, arrays, strict=True)])
    return names, chunks, chunk_values


def _whole(arrays: list[pa.Array | None], values: list[list[object]]) -> tuple[pa.ChunkedArray, bool]:
    """One column of its chunks, as texts where they are of several types; and whether they are."""
    kinds = {array.type for array in arrays if array is not None and not pa.types.is_null(array.type)}
    if None not in arrays and kinds <= {pa.int64(), pa.float64()}:
        kind = pa.float64() if pa.float64() in kinds else pa.int64() if kinds else pa.null()
        return pa.chunked_array([array.cast(kind) for array in arrays if array is not None], kind), False
    if None not in arrays and kinds == {pa.string()}:
        return pa.chunked_array([array.cast(pa.string()) for array in arrays if array is not None], pa.string()), False
    parts = [
        texts_of(value) if array is None else texts_of(array.to_pylist())
        for array, value in zip(arrays, values, strict=True)
    ]
    return pa.chunked_array(parts, pa.string()), True


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
        f"{address.file}: there are the tables {listed(names)}; name one, as in sqlite:///{address.file}?table={names[0]}"
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
        query_words = f"the query '{address.query:.80}'" if address.query else "it"
        raise BadInput(f"{address.file}: {query_words} cannot be read: {error}") from error


def _may(action: int, *about: str | None) -> int:
    if action not in _READS or (action == sqlite3.SQLITE_FUNCTION and about[1] in _NO_FUNCTIONS):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK
