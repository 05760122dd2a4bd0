"""Batches that are parsed once: files larger than memory give what they give when they are held in memory."""

from __future__ import annotations

import gzip
import json
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.duplicate_rows import Counting
from driftline_processor.evaluation.files.baseline import build_from_files
from driftline_processor.readers import spool
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.readers.json_rows import NdjsonSource
from driftline_processor.readers.sources import open_source
from driftline_processor.readers.spool import Spool, equal_batches

from tests.support.facts import lacking

OPTIONS = ColumnOptions("churn", "3", "binary")


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold no batch in memory."""
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", 0)


def silent(sentence: str) -> None:
    raise AssertionError(sentence)


def built(*paths: Path, said: list[str] | None = None, **limits: Any) -> Baseline:
    return build_from_files(paths, OPTIONS, silent if said is None else said.append, **limits)


def written(frame: pd.DataFrame, folder: Path) -> dict[str, Path]:
    files = {kind: folder / f"rows.{kind}" for kind in ("parquet", "csv", "csv.gz", "ndjson")}
    frame.to_parquet(files["parquet"])
    frame.to_csv(files["csv"], index=False)
    frame.to_csv(files["csv.gz"], index=False)
    frame.to_json(files["ndjson"], orient="records", lines=True, date_format="iso", date_unit="ns", double_precision=15)
    return files


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["parquet", "csv", "csv.gz", "ndjson"])
@pytest.mark.parametrize("most", [0, 1 << 30])
def test_a_file_gives_the_baseline_of_the_frame(
    kind: str, most: int, tmp_path: Path, reference: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", most)
    rows = reference.round({"score": 6, "income": 6})
    frame = Baseline.from_frame(
        rows, score="score", actual="actual", time="time", id="id", model="churn", task="binary", version="3"
    )
    path = written(rows, tmp_path)[kind]
    assert built(path).to_json() == frame.to_json()


@pytest.mark.slow
def test_a_sample_chooses_the_bins_and_all_rows_are_counted(tmp_path: Path, reference: pd.DataFrame) -> None:
    path = written(reference, tmp_path)["parquet"]
    whole, sampled = built(path), built(path, sample=1_500)
    assert sampled.bins != whole.bins
    assert sampled.pane.rows == whole.pane.rows == len(reference)
    for part in ("outcomes", "confusion", "losses", "score_positive"):
        np.testing.assert_allclose(sampled.pane.parts[part], whole.pane.parts[part], err_msg=part)
    for name, bins in sampled.bins.features.items():
        assert sampled.pane.parts[f"feature:{name}"].sum() == len(reference), name
        assert (sampled.pane.parts[f"feature:{name}"][: bins.size].sum()) > 0.8 * len(reference)
    assert built(path, sample=1_500).to_json() == sampled.to_json()


@pytest.mark.slow
@pytest.mark.usefixtures("on_disk")
def test_several_files_of_several_formats_are_one_reference(tmp_path: Path, reference: pd.DataFrame) -> None:
    rows = reference.round({"score": 6, "income": 6})
    (tmp_path / "one").mkdir()
    first, second = written(rows[:1_500], tmp_path), written(rows[1_500:], tmp_path / "one")
    whole = built(written(rows, tmp_path / "one")["parquet"])
    second = written(rows[1_500:], tmp_path / "one")
    for a, b in ((first["csv"], second["ndjson"]), (first["parquet"], second["csv.gz"])):
        parts = built(a, b)
        assert parts.bins == whole.bins
        assert parts.extras.ranges == whole.extras.ranges
        for name, sums in whole.pane.parts.items():
            np.testing.assert_allclose(parts.pane.parts[name], sums, rtol=1e-12, err_msg=name)


def batch(start: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"a": pa.array(range(start, start + 10)), "b": pa.array(["x", None] * 5)})


@pytest.mark.parametrize("most", [0, 300, 1 << 20])
def test_batches_are_the_same_in_memory_and_in_a_file(most: int) -> None:
    store = Spool(most)
    for start in range(0, 100, 10):
        store.add(batch(start))
    assert store.rows == 100
    for _ in range(2):
        found = pa.Table.from_batches(store.batches({"a", "b"}))
        assert found.equals(pa.Table.from_batches([batch(start) for start in range(0, 100, 10)]))
    assert [one.schema.names for one in store.batches({"b", "c"})] == [["b"]] * 10
    assert [one.num_rows for one in store.batches(())] == [10] * 10


def test_batches_stay_in_memory_without_a_temporary_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", no_room)
    store = Spool(0)
    for start in range(0, 30, 10):
        store.add(batch(start))
    assert pa.Table.from_batches(store.batches({"a"}))["a"].to_pylist() == list(range(30))


def test_batches_have_equal_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "BATCH", 25)
    found = list(equal_batches(batch(start) for start in range(0, 60, 10)))
    assert [one.num_rows for one in found] == [25, 25, 10]
    assert pa.Table.from_batches(found)["a"].to_pylist() == list(range(60))


@pytest.mark.usefixtures("on_disk")
def test_packed_files_are_unpacked(tmp_path: Path) -> None:
    content = b"a,b\n" + b"1,2\n" * 30_000
    for name, packed in (
        ("one.csv.gz", gzip.compress(content)),
        ("many.csv.gz", b"".join(gzip.compress(content[at : at + 10_000]) for at in range(0, len(content), 10_000))),
        ("rows.ndjson.gz", gzip.compress(b'{"a": 1}\n' * 30_000)),
    ):
        (tmp_path / name).write_bytes(packed)
        assert open_source(tmp_path / name, (), silent).rows == 30_000


@pytest.mark.usefixtures("on_disk")
def test_lines_that_cannot_be_read_are_named_once(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,score\n" + "1,0.5\n" * 50 + "1,2,3\n" + "2,0.25\n" * 50)
    said: list[str] = []
    baseline = built(tmp_path / "rows.csv", said=said)
    assert baseline.pane.rows == 100
    assert len(said) == 1
    assert lacking(said[0], f"{tmp_path}/rows.csv:", "1 line", "line 52", "3 values") == []
    lines = ['{"a": 1, "score": 0.5}'] * 50 + ["oops", '{"a": "x", "score": 0.25}', "[]"]
    (tmp_path / "rows.ndjson").write_text("\n".join(lines))
    said = []
    assert built(tmp_path / "rows.ndjson", said=said).pane.rows == 51
    assert len(said) == 2
    assert lacking(said[0], f"{tmp_path}/rows.ndjson:", "2 lines", "line 51", "JSON") == []
    assert lacking(said[1], f"{tmp_path}/rows.ndjson: a:", "1 of 51 values", "row 51", "'x'") == []


def test_blocks_of_json_may_differ_in_their_columns_and_types(tmp_path: Path) -> None:
    lines = [{"a": at, "score": 0.5} for at in range(40)] + [{"a": "x", "b": 1.5, "score": 1} for _ in range(40)]
    path = tmp_path / "rows.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    stream = NdjsonSource(path, silent, block=200)
    assert stream.rows == 80
    assert stream.schema.names == ["a", "score", "b"]
    assert sum(batch.num_rows for batch in stream.batches({"b"})) == 80
    assert stream.column("score").to_pylist() == [0.5] * 40 + [1.0] * 40
    assert [one for batch in stream.batches({"a", "b"}) for one in batch["b"].to_pylist()] == [None] * 40 + [1.5] * 40


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced while the baseline of four and of sixteen times as many rows is built: what numpy and Arrow hold."""

    # fingerprints of rows are kept up to 32 MB: here up to 80 kB
    monkeypatch.setattr(Counting.__init__, "__defaults__", (10_000,))

    def peak(batches: int) -> int:
        path = tmp_path / f"{batches}.parquet"
        rng = np.random.default_rng(batches)
        schema = pa.schema([("score", pa.float64()), *((f"f{at}", pa.float64()) for at in range(5))])
        with pa.parquet.ParquetWriter(path, schema) as writer:
            for _ in range(batches):
                columns = {name: pa.array(rng.random(20_000)) for name in schema.names}
                writer.write_table(pa.table(columns), row_group_size=20_000)
        pool = pa.default_memory_pool()
        tracemalloc.start()
        before = pool.bytes_allocated()
        build_from_files([path], OPTIONS, silent, sample=5_000)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert pool.bytes_allocated() - before < 1 << 20
        return highest

    few, many = peak(10), peak(40)
    assert many < 1.2 * few


def test_wide_batches_have_fewer_rows_and_the_same_values() -> None:
    wide = pa.record_batch({f"f{at}": np.arange(20_000.0) for at in range(1_000)})
    batches = [*equal_batches(iter([wide.slice(0, 9_000), wide.slice(9_000)]))]
    assert [batch.num_rows for batch in batches] == [8_388, 8_388, 3_224]
    assert pa.Table.from_batches(batches).equals(pa.Table.from_batches([wide]))
