"""Files larger than memory: read in passes, they give what they give when they are held in memory."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.duplicate_rows import Counting
from driftline_processor.evaluation.files.baseline import build_from_files
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.readers.sources import TableSource, open_source
from driftline_processor.readers.streaming import CsvStream, NdjsonStream

OPTIONS = ColumnOptions("churn", "3", "binary")


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
def test_a_file_read_in_passes_gives_the_baseline_of_the_frame(
    kind: str, tmp_path: Path, reference: pd.DataFrame
) -> None:
    rows = reference.round({"score": 6, "income": 6})
    frame = Baseline.from_frame(
        rows, score="score", actual="actual", time="time", id="id", model="churn", task="binary", version="3"
    )
    path = written(rows, tmp_path)[kind]
    assert built(path, in_memory=0).to_json() == frame.to_json()
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
def test_several_files_of_several_formats_are_one_reference(tmp_path: Path, reference: pd.DataFrame) -> None:
    rows = reference.round({"score": 6, "income": 6})
    (tmp_path / "one").mkdir()
    first, second = written(rows[:1_500], tmp_path), written(rows[1_500:], tmp_path / "one")
    whole = built(written(rows, tmp_path / "one")["parquet"])
    second = written(rows[1_500:], tmp_path / "one")
    for a, b in ((first["csv"], second["ndjson"]), (first["parquet"], second["csv.gz"])):
        parts = built(a, b, in_memory=0)
        assert parts.bins == whole.bins
        assert parts.extras.ranges == whole.extras.ranges
        for name, sums in whole.pane.parts.items():
            np.testing.assert_allclose(parts.pane.parts[name], sums, rtol=1e-12, err_msg=name)


COLUMNS: list[tuple[list[Any], list[Any]]] = [
    ([1, 2], [3, 4]),
    ([1, 2], [2.5, 4]),
    ([1, 2], ["x", 4]),
    (["", ""], [7, 8]),
    (["", ""], ["", "yes"]),
    (["true", "false"], ["true", "maybe"]),
    (["2026-01-01", "2026-01-02"], ["2026-01-01 10:00:00", "2026-01-02"]),
    (["2026-01-01 10:00:00", ""], ["2026-01-01 10:00:00.25", ""]),
    (["2026-01-01T10:00:00Z", ""], ["2026-01-01T10:00:00.25Z", ""]),
    (["2026-01-01", ""], ["2026-01-01T10:00:00.25Z", ""]),
    (["", ""], ["2026-01-01T10:00:00Z", "2026-01-01T10:00:00.25Z"]),
    (["a", "b"], ["c", "NA"]),
    (["", ""], ["", ""]),
    ([5, 1], ["true", "false"]),
    ([0, 1], ["true", "false"]),
    (["", ""], ['"a\n""b"', " 7"]),
    ([7, 8], ["12345678901234567890123", ""]),
]


@pytest.mark.parametrize(("early", "late"), COLUMNS)
def test_a_column_has_the_type_that_all_of_it_has(early: list[Any], late: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    values = [*early * 200, *late * 200]
    path.write_text("n,value\n" + "".join(f"{at},{value}\n" for at, value in enumerate(values)))
    whole = open_source(path, (), silent)
    stream = CsvStream(path, (), silent, block=512)
    assert stream.schema.equals(whole.schema)
    assert stream.rows == whole.rows == 800
    assert stream.column("value").to_pylist() == whole.column("value").to_pylist()


def test_columns_that_change_their_type_later_on_are_widened_in_one_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"c{at}" for at in range(30)]
    later = ["x", 7, "2026-01-01T10:00:00.25Z", "true", "0.5", 'a "b", c']
    path = tmp_path / "rows.csv"
    rows = [[at, *[""] * 29] for at in range(400)] + [[0.5, *[later[at % 6] for at in range(29)]] for _ in range(400)]
    pd.DataFrame(rows, columns=names).to_csv(path, index=False)
    passes, open_again = [0], CsvStream._open

    def counted(self: CsvStream, *arguments: Any) -> Any:
        passes[0] += 1
        return open_again(self, *arguments)

    monkeypatch.setattr(CsvStream, "_open", counted)
    stream, whole = CsvStream(path, (), silent, block=1024), open_source(path, (), silent)
    assert passes[0] <= 6  # the header, until the first that changes, what all become, all rows, codes and thousands
    assert stream.schema.equals(whole.schema)
    assert [stream.column(name).to_pylist() for name in names] == [whole.column(name).to_pylist() for name in names]


def test_a_packed_file_is_as_long_as_what_it_holds(tmp_path: Path) -> None:
    content = b"a,b\n" + b"1,2\n" * 300_000
    for name, packed in (
        ("one.csv.gz", gzip.compress(content)),
        ("many.csv.gz", b"".join(gzip.compress(content[at : at + 100_000]) for at in range(0, len(content), 100_000))),
    ):
        (tmp_path / name).write_bytes(packed)
        for most, kind in ((len(content), TableSource), (len(content) - 1, CsvStream)):
            source = open_source(tmp_path / name, (), silent, most)
            assert (type(source), source.rows) == (kind, 300_000)
    lines = b'{"a": 1}\n' * 10_000
    (tmp_path / "rows.ndjson.gz").write_bytes(gzip.compress(lines))
    source = open_source(tmp_path / "rows.ndjson.gz", (), silent, len(lines) - 1)
    assert (type(source), source.rows) == (NdjsonStream, 10_000)


def test_lines_that_cannot_be_read_are_named_once(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,score\n" + "1,0.5\n" * 50 + "1,2,3\n" + "2,0.25\n" * 50)
    said: list[str] = []
    baseline = built(tmp_path / "rows.csv", said=said, in_memory=0)
    assert baseline.pane.rows == 100
    assert said == [f"{tmp_path}/rows.csv: 1 line left out: line 52 has 3 values, the header 2"]
    lines = ['{"a": 1, "score": 0.5}'] * 50 + ["oops", '{"a": "x", "score": 0.25}', "[]"]
    (tmp_path / "rows.ndjson").write_text("\n".join(lines))
    said = []
    assert built(tmp_path / "rows.ndjson", said=said, in_memory=0).pane.rows == 51
    assert said == [
        f"{tmp_path}/rows.ndjson: 2 lines left out: line 51 is no JSON object",
        f"{tmp_path}/rows.ndjson: a: 1 of 51 values without a number, taken as missing: the first is row 51, 'x'",
    ]


def test_blocks_of_json_may_differ_in_their_columns_and_types(tmp_path: Path) -> None:
    lines = [{"a": at, "score": 0.5} for at in range(40)] + [{"a": "x", "b": 1.5, "score": 1} for _ in range(40)]
    path = tmp_path / "rows.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    stream = NdjsonStream(path, silent, block=200)
    assert stream.rows == 80
    assert stream.schema.names == ["a", "score", "b"]
    assert sum(batch.num_rows for batch in stream.batches({"b"})) == 80
    assert stream.column("score").to_pylist() == [0.5] * 40 + [1.0] * 40
    assert [one for batch in stream.batches({"a", "b"}) for one in batch["b"].to_pylist()] == [None] * 40 + [1.5] * 40


def test_of_columns_of_one_name_the_first_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    rows = "".join(f"{at},x{at},{at / 2 if at > 150 else at},{at}\n" for at in range(200))
    path.write_text("a,a,b,b\n" + rows)
    said: list[str] = []
    whole = open_source(path, (), said.append)
    stream = CsvStream(path, (), said.append, block=512)
    assert said == [f"{path}: a, b: several columns of one name; the first is read"] * 2
    assert stream.schema.equals(whole.schema)
    for name in ("a", "b"):
        assert stream.column(name).to_pylist() == whole.column(name).to_pylist()


def test_latin_1_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"city,score\n" + "Zürich,0.5\n".encode("latin-1") * 30)
    assert built(path, in_memory=0).bins.features["city"].categories == ("Zürich",)  # type: ignore[union-attr]


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
