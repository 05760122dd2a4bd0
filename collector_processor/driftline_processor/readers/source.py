"""The rows of a file: the interface of every format."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from .errors import BadInput, NoRows


class Source(Protocol):
    """Rows of one file. ``schema``: types of all columns; ``rows``: number of rows.

    Attributes:
        by_looks: Columns whose texts may be numbers, because the file has no types: all texts of a CSV, and columns of
            several types in NDJSON. In all other columns a text is a text, including "1" and "02139".
    """

    path: str
    schema: pa.Schema
    rows: int
    by_looks: Collection[str]

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the named columns of all rows, in the file's order."""

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one whole column."""


_SEVERAL = {b"types": b"several"}


def with_several_types(schema: pa.Schema, names: Collection[str]) -> pa.Schema:
    """Return a schema that marks columns of several types, in which a text is a text, also in a batch of texts only."""
    return pa.schema([field.with_metadata(_SEVERAL) if field.name in names else field for field in schema])


def has_several_types(field: pa.Field) -> bool:
    """Return True for a column that :func:`with_several_types` marks."""
    return bool(field.metadata == _SEVERAL)


def names_of(sources: Iterable[Source]) -> tuple[str, ...]:
    """Return the columns of all files, each once."""
    return tuple(dict.fromkeys(name for source in sources for name in source.schema.names))


@contextmanager
def readable(path: Path | str) -> Iterator[None]:
    """Convert errors of Arrow and the system about a file to one sentence."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if "Empty CSV file" in reason:
            raise NoRows(f"{path}: the file has no rows") from error
        raise BadInput(f"{path}: cannot be read: {reason}") from error
