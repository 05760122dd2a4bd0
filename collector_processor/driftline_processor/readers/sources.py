"""Open rows: a table in memory, a file of Parquet, CSV, JSON or SQLite, or an artifact of MLflow.

Files that are artifacts of MLflow: `runs:/RUN/path`, `models:/NAME/VERSION/path`, and the data set a run was given.

MLflow is asked when somebody names such an address, and only then; its tracking server is `MLFLOW_TRACKING_URI`.

Parquet is read in batches of rows, only the columns asked for; the others are parsed once into batches.
What Arrow cannot take from one line never costs the others: the line is named and left out.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from .addresses import address_of, is_database
from .arrow_columns import is_text, mask_of, valid_of
from .errors import BadInput, Say, say_columns_of_one_name
from .memory import MemoryBaseline, MemoryRows, Reference, Rows
from .number_format import PLAIN_NUMBERS, NumberFormat
from .source import Source, readable
from .spool import BATCH, no_columns

_SCHEMES = ("runs:/", "models:/", "mlflow-artifacts:/")
_CONTEXTS = ("reference", "evaluation", "validation", "test")
"""A run names what each data set is to it; these are rows that it was not trained on."""


def download_artifact(path: Path) -> Path:
    """Return a file as it is, an artifact of MLflow downloaded.

    ``runs:/RUN`` alone is the data set that was logged to the run (``mlflow.log_input``) as evaluation, validation or
    test. Raises :class:`BadInput` when MLflow is not installed, or has no such thing.
    """
    address = str(path)
    if not address.startswith(_SCHEMES):
        return path
    try:
        import mlflow
    except ModuleNotFoundError:
        raise BadInput(f"{address}: mlflow is not installed; pip install mlflow-skinny") from None
    run = address.removeprefix("runs:/")
    try:
        if address.startswith("runs:/") and "/" not in run:
            folder = Path(_data_set(mlflow, run))
        else:
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=address))
    except BadInput:
        raise
    except Exception as error:  # whatever its store raises: a network, a permission, a name
        raise BadInput(f"{address}: MLflow cannot read it: {str(error).strip().splitlines()[0]}") from error
    if folder.is_dir():
        files = sorted(file.name for file in folder.iterdir())
        raise BadInput(f"{address}: is a folder; use one of its files: {', '.join(files[:8])}")
    return _table(folder)


def _data_set(mlflow: Any, run: str) -> str:
    logged = mlflow.get_run(run).inputs.dataset_inputs
    by_context = {
        tag.value: data_set_input.dataset
        for data_set_input in logged
        for tag in data_set_input.tags
        if tag.key == "mlflow.data.context"
    }
    chosen = next((by_context[context] for context in _CONTEXTS if context in by_context), None)
    if chosen is None:
        data_set_names = ", ".join(f"{data_set_input.dataset.name}" for data_set_input in logged) or "none"
        raise BadInput(
            f"runs:/{run}: no data set was logged to the run as {', '.join(_CONTEXTS[1:])} (logged: {data_set_names})"
            "; use a file of its artifacts, such as runs:/RUN/reference.parquet"
        )
    return str(mlflow.data.get_source(chosen).load())


def _table(path: Path) -> Path:
    """Return the path of a table as Parquet: ``mlflow.log_table`` writes JSON of columns and rows."""
    if path.suffix != ".json":
        return path
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return path
    if not isinstance(document, dict) or document.keys() != {"columns", "data"}:
        return path
    columns = {str(name): [row[index] for row in document["data"]] for index, name in enumerate(document["columns"])}
    parquet_path = path.with_suffix(".parquet")
    pyarrow.parquet.write_table(pa.table(columns), parquet_path)
    return parquet_path


_PARQUET = (".parquet", ".pq")
_CSV = (".csv", ".tsv")
_NDJSON = (".ndjson", ".jsonl", ".json", ".log")


def format_of(path: Rows) -> str:
    """Return ``"parquet"``, ``"csv"``, ``"ndjson"`` or ``"sqlite"`` by the name (``.gz`` may follow), else ``""``.

    A table in memory is a ``"table"``.

    >>> format_of(Path("week.CSV.gz")), format_of(Path("week.xlsx"))
    ('csv', '')
    """
    if isinstance(path, MemoryRows):
        return "table"
    name = path.name.lower().removesuffix(".gz")
    if is_database(path):
        return "sqlite"
    for kind, suffixes in (("parquet", _PARQUET), ("csv", _CSV), ("ndjson", _NDJSON)):
        if name.endswith(suffixes):
            return kind
    return ""


def expand_paths(paths: Sequence[Path]) -> list[Path]:
    """Return files, patterns such as ``rows/*.parquet`` replaced by those they match, in order; artifacts downloaded.

    Raises :class:`BadInput` where one matches none.
    """
    files: list[Path] = []
    for path in map(download_artifact, paths):
        plain = path.exists() or is_database(path) or not glob.has_magic(str(path))
        matches = [path] if plain else sorted(map(Path, glob.glob(str(path))))
        if not matches:
            raise BadInput(f"{path}: no file matches")
        files += matches
    return files


def is_built_baseline(path: Reference) -> bool:
    """Return True for a built baseline: one in memory, or a file that ends in ``.json`` and is no list of rows."""
    if not isinstance(path, Path):
        return isinstance(path, MemoryBaseline)
    if path.suffix != ".json":
        return False
    try:
        with path.open("rb") as file:
            return not file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    except OSError:
        return True


def check_path(path: Reference) -> None:
    """Raise :class:`BadInput` when a file is not there, empty, or of an unknown kind."""
    if not isinstance(path, Path):
        return
    if is_database(path):
        path = address_of(path).file
    if not path.exists():
        raise BadInput(f"{path}: no such file")
    if not path.is_file():
        raise BadInput(f"{path}: is a directory; use a pattern such as {path}/*.parquet")
    if not format_of(path):
        raise BadInput(
            f"{path}: unknown extension; rows are read from .parquet, .csv, .ndjson, .json and .log, and from "
            "sqlite:///FILE?table=NAME"
        )
    if path.stat().st_size == 0:
        raise BadInput(f"{path}: the file is empty")


def open_sources(
    paths: Sequence[Rows], text: Collection[str], say: Say, numbers: NumberFormat = PLAIN_NUMBERS
) -> list[Source]:
    """Open files that are one set of rows: what one of them knows to be a text is one in all of them.

    So a CSV is read as the Parquet file beside it is, and codes such as 02139 are texts also in a file that happens to
    have none below 10000. The arguments and errors are those of :func:`open_source`.
    """
    sources_by_rows: dict[Rows, Source] = {}
    text_names = set(text)
    for kind in ("table", "parquet", "sqlite", "ndjson", "csv"):
        for path in paths:
            if path not in sources_by_rows and (format_of(path) == kind or kind == "csv"):
                source = sources_by_rows[path] = _open(path, text_names, say, numbers)
                text_names |= {
                    field.name for field in source.schema if is_text(field.type) and field.name not in source.by_looks
                }
    for path, source in sources_by_rows.items():
        if format_of(path) == "csv" and any(
            field.name in text_names and not is_text(field.type) for field in source.schema
        ):
            sources_by_rows[path] = _open(path, text_names, _silent, numbers)
    return [sources_by_rows[path] for path in paths]


def open_source(path: Rows, text: Collection[str], say: Say, numbers: NumberFormat = PLAIN_NUMBERS) -> Source:
    """Open a file.

    Args:
        path: The file, or a table in memory.
        text: Columns that stay texts even if they look like numbers or times, such as ids.
        say: Receives what was guessed or left out.
        numbers: How numbers and times are written in a CSV.

    Raises:
        BadInput: The file cannot be read or has no rows.
    """
    [source] = open_sources([path], text, say, numbers)
    return source


def _open(path: Rows, text: Collection[str], say: Say, numbers: NumberFormat) -> Source:
    if isinstance(path, MemoryRows):
        return TableSource(path, path.table, say, path.mixed)
    check_path(path)
    kind = format_of(path)
    with readable(path):
        source: Source
        if kind == "parquet":
            source = ParquetSource(path, text)
        elif kind == "sqlite":
            from .sqlite import SqliteSource

            source = SqliteSource(path, say, text)
        elif kind == "csv":
            from .delimited import CsvSource

            source = CsvSource(path, text, say, numbers)
        elif kind == "ndjson":
            from .json_rows import NdjsonSource

            source = NdjsonSource(path, say, text)
        else:
            raise NotImplementedError(f"{kind} is a format of format_of, but has no source class")
    if not source.rows:
        raise BadInput(f"{path}: the file has columns but no rows")
    return source


def _silent(sentence: str) -> None:
    """Say nothing: it was said when the file was opened first."""


class FilteredSource:
    """The rows of a file that have a value in any of some columns: lines of a log that are about something else go."""

    def __init__(self, source: Source, names: Collection[str]) -> None:
        self.path, self.schema, self.by_looks = source.path, source.schema, source.by_looks
        self._source = source
        self._kept = [_any_value(batch) for batch in source.batches(names)]
        self.rows = sum(int(mask.sum()) for mask in self._kept)
        self.left_out = source.rows - self.rows

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the named columns of these rows."""
        for mask, batch in zip(self._kept, self._source.batches(names), strict=True):
            yield batch.filter(mask_of(mask)) if batch.num_columns else no_columns(int(mask.sum()))

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one whole column."""
        mask = np.concatenate(self._kept) if self._kept else np.zeros(0, np.bool_)
        return self._source.column(name).filter(mask_of(mask))


def _any_value(batch: pa.RecordBatch) -> NDArray[np.bool_]:
    is_valid = [valid_of(column) for column in batch.columns]
    return np.any(is_valid, axis=0) if is_valid else np.ones(batch.num_rows, np.bool_)


class ParquetSource:
    """A Parquet file, read in batches; texts come as dictionary codes, as they are stored."""

    by_looks: Collection[str] = ()

    def __init__(self, path: Path, text: Collection[str]) -> None:
        self.path = str(path)
        self.schema = pa.parquet.read_schema(path)
        twice = {name for name in self.schema.names if self.schema.names.count(name) > 1}
        if twice:
            raise BadInput(f"{path}: two columns have the name '{min(twice)}'; rename one")
        coded = [f.name for f in self.schema if _is_text(f.type) and f.name not in text]
        # pre-buffering holds whole row groups: 560 MB at the peak for 4 million rows of 20 features, against 94 MB
        self._file = pa.parquet.ParquetFile(path, read_dictionary=coded, pre_buffer=False, buffer_size=1 << 20)
        self.schema = self._file.schema_arrow
        self.rows = int(self._file.metadata.num_rows)

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows in batches."""
        columns = [name for name in self.schema.names if name in names]
        with readable(self.path):
            if columns:
                yield from self._file.iter_batches(BATCH, columns=columns)
            else:  # Parquet without columns yields nothing; the rows are still there
                for start in range(0, self.rows, BATCH):
                    yield no_columns(min(BATCH, self.rows - start))

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one column of all rows."""
        with readable(self.path):
            return self._file.read(columns=[name]).column(name)


class TableSource:
    """Rows that are in memory, as columns: a table, or a file that was read whole."""

    def __init__(self, path: Rows, table: pa.Table, say: Say, by_looks: Collection[str] = ()) -> None:
        names = table.schema.names
        if say_columns_of_one_name(str(path), names, say):
            table = table.select([i for i, name in enumerate(names) if names.index(name) == i])
        self.path, self.by_looks = str(path), by_looks
        self.schema = table.schema
        self.rows = len(table)
        self._table = table

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows in batches."""
        selected_table = self._table.select([name for name in self.schema.names if name in names])
        if selected_table.num_columns:
            yield from selected_table.to_batches(max_chunksize=BATCH)
        else:
            yield no_columns(self.rows)

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one column of all rows."""
        return self._table.column(name)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
