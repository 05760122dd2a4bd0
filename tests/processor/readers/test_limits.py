"""Files that are no tables of rows are refused in one line, before they cost minutes or all memory."""

from __future__ import annotations

import time
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from driftline_processor.readers import limits
from driftline_processor.readers.errors import BadInput
from driftline_processor.readers.limits import MOST_COLUMNS
from driftline_processor.readers.sources import open_source

from tests.support.slow import slow

MIB = 1 << 20


def packed(header: bytes, fill: bytes, times: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([packer.compress(header), *(packer.compress(fill) for _ in range(times)), packer.flush()])


def refused(path: Path) -> str:
    began = time.process_time()
    with pytest.raises(BadInput) as raised:
        open_source(path, (), print)
    assert time.process_time() - began < 20
    (sentence,) = str(raised.value).splitlines()
    return sentence


@pytest.mark.parametrize("kind", ["csv", slow("parquet")])
def test_a_file_with_too_many_columns_is_refused(tmp_path: Path, kind: str) -> None:
    names = [f"f{number}" for number in range(20_000)]
    path = tmp_path / f"wide.{kind}"
    if kind == "csv":
        path.write_text(",".join(names) + "\n" + (",".join("1" for _ in names) + "\n") * 200)
    else:
        pq.write_table(pa.table({name: [1, 2] for name in names}), path)
    assert refused(path) == (
        f"{path}: has 20,000 columns, and at most {MOST_COLUMNS:,} are read; write a file with the columns of the "
        "model; if ids are used as columns, write them as values"
    )


@pytest.mark.parametrize("kind", ["csv", slow("ndjson")])
@pytest.mark.parametrize("fill", [b"\0" * MIB, b'{"id":"r1","a":1}\n' * 60_000], ids=["zeros", "rows"])
def test_a_packed_bomb_is_refused(tmp_path: Path, kind: str, fill: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LEAST_UNPACKED", 32 * MIB)
    path = tmp_path / f"bomb.{kind}.gz"
    path.write_bytes(packed(b"id,a\n" if kind == "csv" else b'{"id":"r1","a":1}\n', fill, 64))
    assert refused(path) == (
        f"{path}: unpacks to more than 32 MiB, 200 times its size, which no table of rows does; unpack it, and look at "
        "its content"
    )


def test_a_packed_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(packed(b"id,a\n", b"r1,0.5\n" * 1000, 3))
    assert open_source(path, (), print).rows == 3000


@pytest.mark.parametrize("kind", ["csv", slow("ndjson")])
def test_a_line_without_an_end_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"line.{kind}"
    path.write_bytes((b"id,a\n" if kind == "csv" else b'{"id":"r1"}\n') + b"x" * (130 * MIB))
    assert refused(path) == (
        f"{path}: has a line of more than 128 MiB, the maximum; look for a quotation mark that is not closed, and for "
        "bytes that are not text"
    )


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("suffix", ["", ".gz", ".GZ"])
def test_a_compressed_file_is_found_by_its_content(tmp_path: Path, kind: str, is_packed: bool, suffix: str) -> None:
    content = b"a,b\n" + b"1,2\n" * 9 if kind == "csv" else b'{"a": 1, "b": 2}\n' * 9
    path = tmp_path / f"rows.{kind}{suffix}"
    path.write_bytes(packed(content, b"", 0) if is_packed else content)
    said: list[str] = []
    source = open_source(path, (), said.append)
    assert (source.column("b").to_pylist(), said) == ([2] * 9, [])
