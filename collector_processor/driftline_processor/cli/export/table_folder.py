"""A directory or a bucket of Parquet files, each of which a reader sees whole: the old one, or the new one."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from driftline_processor.readers.errors import BadInput

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

OBJECT_STORES: Final = ("s3", "gcs", "abfs")
"""File systems of pyarrow in which an object appears when all of it was written."""


class TableFolder:
    """A place for files, by ``--to``. All methods raise :class:`BadInput` with the place and the reason.

    In a directory a file is written under a hidden temporary name and then renamed. In a bucket the object appears when
    its upload is complete.

    Attributes:
        shown: The place for messages, without a key that its URI may contain.
    """

    def __init__(self, place: str) -> None:
        """Open a place; nothing is written yet.

        Args:
            place: A directory, or a URI that pyarrow supports, such as ``s3://bucket/prefix?region=eu-west-1``.
        """
        self.shown = without_key(place)
        self._files: FileSystem | None = None
        self._root = place
        if "://" in place:
            from pyarrow.fs import FileSystem, LocalFileSystem

            with self._report():
                files, self._root = FileSystem.from_uri(place)
            if files.type_name in OBJECT_STORES:
                self._files = files
            elif not isinstance(files, LocalFileSystem):
                raise BadInput(f"--to {self.shown}: use a directory, s3://, gs:// or abfss://")

    def read(self, path: str) -> bytes | None:
        """Return a file; None if there is none."""
        with self._report():
            try:
                if self._files is None:
                    return (Path(self._root) / path).read_bytes()
                with self._files.open_input_stream(f"{self._root}/{path}", compression=None) as file:
                    return bytes(file.read())
            except FileNotFoundError:
                return None

    def write(self, path: str, content: bytes) -> None:
        """Write or replace a file."""
        self._replace(path, BytesIO(content))

    def put(self, path: str, source: Path) -> None:
        """Write or replace a file with the content of another one."""
        with source.open("rb") as file:
            self._replace(path, file)

    def _replace(self, path: str, content: BinaryIO) -> None:
        with self._report():
            if self._files is None:
                _replace_locally(Path(self._root) / path, content)
                return
            # an error before the end must not complete the upload, so nothing that can fail is read while it is open
            with self._files.open_output_stream(f"{self._root}/{path}", compression=None) as object:
                shutil.copyfileobj(content, object, 4 << 20)

    @contextmanager
    def _report(self) -> Iterator[None]:
        import pyarrow as pa

        try:
            yield
        except (OSError, pa.ArrowException) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise BadInput(f"--to {self.shown}: {reason.partition(chr(10))[0]}") from None


def without_key(place: str) -> str:
    """Return a place for messages, without a key that its URI may contain.

    >>> without_key("s3://key:secret@lake/results")
    's3://lake/results'
    """
    return re.sub("//[^/@]*@", "//", place)


def _replace_locally(path: Path, content: BinaryIO) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*.tmp"):  # of an export that was killed
        left.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            shutil.copyfileobj(content, file, 4 << 20)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
