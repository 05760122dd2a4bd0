"""Partitioned folders, patterns and folders as rows and as a baseline."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import driftline
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from driftline_processor.readers.errors import BadInput, quiet
from driftline_processor.readers.sources import (
    check_path,
    expand_paths,
    expand_reference,
    is_built_baseline,
    open_source,
    open_sources,
)


def _write(path: Path, **columns: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if path.name.endswith(".parquet"):
        pyarrow.parquet.write_table(table, path)
    elif path.name.endswith(".csv"):
        pyarrow.csv.write_csv(table, path)
    else:
        path.write_text("\n".join(map(repr, table.to_pylist())).replace("'", '"') + "\n")
    return path


def test_a_file_that_is_named_twice_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path / "rows/a.csv", x=[1, 2])
    _write(tmp_path / "rows/b.csv", x=[3])
    (tmp_path / "link.csv").symlink_to(tmp_path / "rows/a.csv")
    monkeypatch.chdir(tmp_path)
    for names in (
        ["rows/a.csv", "rows/a.csv", "rows/b.csv"],
        ["rows", "rows/*.csv"],
        ["rows/a.csv", "./rows/../rows/a.csv", "link.csv", str(tmp_path / "rows/a.csv"), "rows"],
    ):
        paths = [Path(name) for name in names]
        assert expand_paths(paths) == [Path("rows/a.csv"), Path("rows/b.csv")]
        assert sum(source.rows for source in open_sources(paths, (), quiet)) == 3


@pytest.mark.parametrize("extension", ["parquet", "csv", "ndjson"])
def test_partitions_are_columns(tmp_path: Path, extension: str) -> None:
    for region, day in (("eu", "2026-02-01"), ("us", "2026-02-02")):
        _write(tmp_path / f"region={region}/run_date={day}/shard=2026/part.{extension}", x=[1, 2])
    for path in (tmp_path, tmp_path / f"**/*.{extension}", tmp_path / f"*/*/*/*.{extension}"):
        source = open_source(path, (), quiet)
        assert source.rows == 4
        assert source.column("region").to_pylist() == ["eu", "eu", "us", "us"]
        assert source.column("shard").to_pylist() == [2026] * 4
        assert [day.day for day in source.column("run_date").to_pylist()] == [1, 1, 2, 2]
        assert [batch.schema.names for batch in source.batches({"region"})] == [["region"], ["region"]]
        assert source.column("x").to_pylist() == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ("parts", "values"),
    [
        (("k=1", "k=2"), [1, 2]),
        (("k=01", "k=12"), ["01", "12"]),
        (("k=01000", "k=__HIVE_DEFAULT_PARTITION__"), ["01000", None]),
        (("k=0", "k=-12"), [0, -12]),
        (("k=1", "k=b"), ["1", "b"]),
        (("k=1", "k=__HIVE_DEFAULT_PARTITION__"), [1, None]),
        (("k=S%C3%A3o%20Paulo", "k=a%2Fb"), ["São Paulo", "a/b"]),
        (("k=a=b", "k="), ["a=b", ""]),
        (("k=1", "other"), [1, None]),
    ],
)
def test_values_of_partitions_have_one_type(tmp_path: Path, parts: tuple[str, str], values: list[object]) -> None:
    for index, part in enumerate(parts):
        _write(tmp_path / part / f"{index}.parquet", x=[1])
    files = [tmp_path / part / f"{index}.parquet" for index, part in enumerate(parts)]
    sources = open_sources(files, (), quiet)
    assert [s.column("k")[0].as_py() if "k" in s.schema.names else None for s in sources] == values


def test_a_column_of_the_file_wins_over_a_partition(tmp_path: Path) -> None:
    file = _write(tmp_path / "region=eu/0.parquet", region=["us"])
    assert open_source(file, (), quiet).column("region").to_pylist() == ["us"]


def test_a_partition_that_is_an_id_stays_text(tmp_path: Path) -> None:
    file = _write(tmp_path / "id=007/0.parquet", x=[1])
    assert open_source(file, {"id"}, quiet).column("id").to_pylist() == ["007"]


def test_files_of_a_folder(tmp_path: Path) -> None:
    rows = _write(tmp_path / "a/rows.csv", x=[1, 2])
    for name in ("_SUCCESS", "_metadata.parquet", ".rows.csv.crc", ".hidden.csv", "a/readme.md"):
        (tmp_path / name).write_text("")
    notes: list[str] = []
    assert expand_paths([tmp_path], notes.append) == [rows]
    assert expand_reference(tmp_path, notes.append) == rows
    assert [note.partition(";")[0] for note in notes] == [
        f"{tmp_path}: left out 1 file with an unknown extension: readme.md"
    ] * 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="the folder has no file of rows"):
        expand_paths([tmp_path / "empty"])
    with pytest.raises(BadInput, match="no file matches"):
        expand_paths([tmp_path / "*.csv.bz2"])


@pytest.mark.parametrize("name", ["b.csv.zip", "b.arrow", "part-1", "b.txt", "b.xlsx"])
def test_files_of_a_folder_that_cannot_be_read_are_named_once(tmp_path: Path, name: str) -> None:
    frame = pa.table({"x": np.random.default_rng(1).normal(size=300)})
    for folder in ("was", "now"):
        _write(tmp_path / folder / "a.csv", x=frame["x"])
        _write(tmp_path / folder / "c.csv", x=frame["x"])
        (tmp_path / folder / name).write_bytes(b"PK")
    notes = driftline.evaluate(tmp_path / "now", baseline=tmp_path / "was").notes
    left_out = [note.partition(";")[0] for note in notes if "left out 1 file" in note]
    assert sorted(left_out) == [
        f"{tmp_path / folder}: left out 1 file with an unknown extension: {name}" for folder in ("now", "was")
    ]


@pytest.mark.parametrize(
    ("mark", "table"),
    [("_delta_log/0.json", "Delta"), (".hoodie/hoodie.properties", "Hudi"), ("metadata/v1.metadata.json", "Iceberg")],
)
@pytest.mark.parametrize("rows", ["", "day=1", "*/*.parquet"])
def test_a_table_with_removed_files_is_refused(tmp_path: Path, mark: str, table: str, rows: str) -> None:
    file = _write(tmp_path / "day=1/0.parquet", x=[1])
    (tmp_path / mark).parent.mkdir()
    (tmp_path / mark).write_text("{}")
    with pytest.raises(BadInput, match=rf"is a {table} table, .* use `driftline spark evaluate`, or read the table"):
        expand_paths([tmp_path / rows])
    assert expand_paths([file]) == [file]


@pytest.mark.parametrize("name", ["a.CSV", "a.csv.GZ", "a.CSV.gz", "a.Csv.Gz", "a.NDJSON", "a.jsonl.GZ", "a.PARQUET"])
def test_case_of_an_extension_does_not_matter(tmp_path: Path, name: str) -> None:
    lower = name.lower()
    path = tmp_path / name
    plain = _write(tmp_path / f"plain.{lower.split('.')[1]}", x=[1, 2])
    path.write_bytes(gzip.compress(plain.read_bytes()) if lower.endswith(".gz") else plain.read_bytes())
    check_path(path)
    assert open_source(path, (), quiet).column("x").to_pylist() == [1, 2]
    assert expand_paths([tmp_path / "a.*"]) == [path]


def test_baseline_is_a_pattern_or_a_folder(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    for folder, start in (("before", 0), ("after", 4)):
        for day in range(start, start + 4):
            score = random.random(300)
            _write(
                tmp_path / folder / f"region={'eu' if day % 2 else 'us'}" / f"{day}.parquet",
                x=random.normal(size=300),
                score=score,
                actual=(random.random(300) < score).astype(int),
            )
    reports = [
        driftline.evaluate(tmp_path / "after", baseline=baseline, task="binary", exact=True).to_dict()["windows"][0]
        for baseline in (tmp_path / "before", tmp_path / "before/**/*.parquet", f"{tmp_path}/before/*/*.parquet")
    ]
    assert reports[0]["rows"] == 1200
    assert set(reports[0]["drift"]["features"]) >= {"x", "region"}
    assert reports[0]["drift"] == reports[1]["drift"] == reports[2]["drift"]


def test_a_built_baseline_among_several_files_is_named(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text('{"model": "m"}')
    _write(tmp_path / "rows.parquet", x=[1])
    assert not is_built_baseline(tmp_path / "*.json")
    assert expand_reference(tmp_path / "*.json") == tmp_path / "m.json"
    with pytest.raises(BadInput, match=r"m\.json is a built baseline; use it alone"):
        expand_reference(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("0.parquet", None),
        ("0.csv", "x,plan\n"),
        ("0.csv", ""),
        ("0.csv", "\n"),
        ("0.csv.gz", ""),
        ("0.csv.gz", "x,plan\n"),
        ("0.ndjson", ""),
        ("0.ndjson", "\n"),
        ("0.ndjson.gz", ""),
        ("0.json", "[]"),
    ],
)
def test_files_without_rows_are_counted_if_another_file_has_rows(
    tmp_path: Path, name: str, content: str | None
) -> None:
    folder = tmp_path / "rows"
    for day in ("1", "2"):
        file = folder / f"day={day}" / name
        file.parent.mkdir(parents=True)
        if content is None:
            pyarrow.parquet.write_table(pa.table({"x": pa.array([], pa.int64())}), file)
        else:
            file.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    with pytest.raises(BadInput, match=r"rows/day=1/0.*(no rows|empty|no line)"):
        open_source(folder, (), quiet)
    _write(folder / "day=3/0.parquet", x=[1, 2])
    notes: list[str] = []
    source = open_source(folder, (), notes.append)
    assert (source.rows, source.column("day").to_pylist()) == (2, [3, 3])
    assert [note.rpartition("; ")[2] for note in notes] == ["2 files without rows left out"]


def test_a_part_file_without_rows_does_not_stop_an_evaluation_with_a_champion(tmp_path: Path) -> None:
    rows = {
        "id": [f"{k}" for k in range(200)],
        "x": [k % 7 for k in range(200)],
        "score": [k / 200 for k in range(200)],
    }
    _write(tmp_path / "now/1.csv", **rows)
    (tmp_path / "now/0.csv").write_text("")
    reference = _write(tmp_path / "before/1.csv", **rows, actual=[k % 2 for k in range(200)])
    (tmp_path / "before/0.csv").write_text("id,score,actual\n")
    for champion in (None, reference):
        evaluation = driftline.evaluate(
            tmp_path / "now", baseline=tmp_path / "before", task="binary", champion=champion
        )
        assert evaluation.to_dict()["windows"][0]["rows"] == 200


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("**/*.parquet", ["a.parquet", "b/c.parquet"]),
        ("*/*.parquet", ["b/c.parquet"]),
        ("_log/*.parquet", ["_log/1.parquet"]),
        ("_*/*.parquet", ["_log/1.parquet"]),
        ("**/_*.parquet", ["_d.parquet", "b/_tmp.parquet"]),
        ("**/.*.parquet", ["b/.e.parquet"]),
        ("../rows/*.parquet", ["a.parquet"]),
    ],
)
def test_a_pattern_matches_hidden_names_only_if_it_contains_them(
    tmp_path: Path, pattern: str, files: list[str]
) -> None:
    folder = tmp_path / "_rows" / "rows"
    for name in ("a", "_d", "b/c", "b/_tmp", "b/.e", "_log/1", "b/_temporary/0"):
        _write(folder / f"{name}.parquet", x=[1])
    assert [file.resolve().relative_to(folder).as_posix() for file in expand_paths([folder / pattern])] == files


@pytest.mark.parametrize(
    ("path", "columns"),
    [
        ("year=2026/month=02/day=03", {"partition_date": "2026-02-03T00:00:00"}),
        ("year=2026/month=2/day=3", {"partition_date": "2026-02-03T00:00:00"}),
        ("Year=2026/Month=02/Day=03/Hour=7", {"partition_date": "2026-02-03T07:00:00"}),
        ("y=2026/m=02/d=03/h=23", {"partition_date": "2026-02-03T23:00:00"}),
        ("yyyy=2026/mm=02/dd=03", {"partition_date": "2026-02-03T00:00:00"}),
        ("region=eu/year=2026/month=02/day=03", {"region": "eu", "partition_date": "2026-02-03T00:00:00"}),
        ("year=2026/month=02", {}),
        ("year=2026", {"year": 2026}),
        ("month=2/day=3", {"month": 2, "day": 3}),
        ("month=02/day=03", {"month": "02", "day": "03"}),
        ("m=7/d=9/region=eu", {"m": 7, "d": 9, "region": "eu"}),
        ("year=2026/month=13/day=03", {"year": 2026, "month": 13, "day": "03"}),
        ("year=2026/month=feb/day=03", {"year": 2026, "month": "feb", "day": "03"}),
    ],
)
def test_partitions_that_are_a_date_are_one_time(tmp_path: Path, path: str, columns: dict[str, object]) -> None:
    _write(tmp_path / path / "0.parquet", x=[1])
    notes: list[str] = []
    source = open_source(tmp_path, (), notes.append)
    values = {name: source.column(name)[0].as_py() for name in source.schema.names if name != "x"}
    if "partition_date" in values:
        values["partition_date"] = values["partition_date"].replace(tzinfo=None).isoformat()
    assert values == columns
    assert len(notes) == (set(columns) <= {"region", "partition_date"})


@pytest.mark.parametrize(
    ("path", "name", "time"),
    [
        ("dt=2026-02-01/hour=03", "dt", "2026-02-01T03:00:00"),
        ("dt=2026-02-01/hour=3/minute=30", "dt", "2026-02-01T03:30:00"),
        ("ds=20260201/hr=03", "ds", "2026-02-01T03:00:00"),
        ("event_date=2026-02-01/hh=23", "event_date", "2026-02-01T23:00:00"),
        ("day=2026-02-01/h=0", "day", "2026-02-01T00:00:00"),
        ("day=2026-02-01", "day", "2026-02-01T00:00:00"),
        ("date=2026-02-01-03", "date", "2026-02-01T03:00:00"),
        ("datehour=2026020103", "datehour", "2026-02-01T03:00:00"),
        ("hour=2026-02-01T03", "hour", "2026-02-01T03:00:00"),
        ("year=2026/week=5/dt=2026-02-01", "dt", "2026-02-01T00:00:00"),
        ("month=2026-02/day=03", "month", "2026-02-03T00:00:00"),
        ("year=2026/month=02/day=2026-02-01/hour=7", "day", "2026-02-01T07:00:00"),
        ("month=2026-02", "", ""),
        ("shard=20260201", "shard", ""),
    ],
)
def test_partitions_of_a_time_are_not_features(tmp_path: Path, path: str, name: str, time: str) -> None:
    _write(tmp_path / "region=eu" / path / "0.parquet", x=[1])
    source = open_source(tmp_path, (), quiet)
    assert set(source.schema.names) == {"x", "region", name} - {""}
    if time:
        assert source.column(name)[0].as_py().isoformat()[:19] == time


def test_a_date_of_partitions_is_not_compared_and_does_not_replace_times(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for month in (1, 2):
        for day in range(1, 22):
            _write(
                tmp_path / f"{month}/year=2026/month={month:02}/day={day:02}/0.parquet",
                x=rng.normal(size=100),
                made=np.full(100, f"2026-{month:02}-{day:02}T09", "datetime64[s]"),
            )
    source = open_source(tmp_path, (), quiet)
    assert source.schema.names == ["x", "made"]
    evaluation = driftline.evaluate(tmp_path / "2", baseline=tmp_path / "1")
    assert list(evaluation.to_dict()["windows"][0]["drift"]["features"]) == ["x"]


VALUES = {
    "codes": [f"{i:03d}" for i in range(20)],
    "zip codes": [f"{i:05d}" for i in range(1_000, 1_020)],
    "hours": [f"{i:02d}" for i in range(24)],
    "a code among whole numbers": ["1", "2", "03", "4"],
    "zeros": ["0", "00"],
    "texts and codes": ["1", "2", "03", "x"],
    "whole numbers": [str(i) for i in range(10_000, 10_020)],
    "decimals": ["1.0", "1.10", "2.0"],
    "signs": ["-1", "2", "-3"],
    "long numbers": ["9" * 19, "1" + "0" * 19],
    "booleans": ["true", "false"],
    "texts": ["eu", "us", "São Paulo", "a b"],
}


def _write_rows(folder: Path, form: str, name: str, values: Sequence[str], seed: int) -> Path:
    """Write 2,000 rows with values of one distribution, as partitions or as a column, and return the folder."""
    random = np.random.default_rng(seed)
    picks = random.integers(0, len(values), 2_000)
    columns = {"x": random.normal(size=2_000), "score": random.random(2_000)}
    if form == "partitions":
        for index, value in enumerate(values):
            part = {key: numbers[picks == index] for key, numbers in columns.items()}
            _write(folder / f"{name}={quote(value)}/0.parquet", **part)
    else:
        texts = [values[pick] for pick in picks]
        column = pa.array(list(map(int, texts))) if form == "numbers" else pa.array(texts)
        extension = "csv" if form == "csv" else "parquet"
        _write(folder / f"0.{extension}", **columns, **{name: column})
    return folder


def _is_whole(text: str) -> bool:
    return str(int(text)) == text if text.removeprefix("-").isdecimal() and len(text) < 19 else False


@pytest.mark.slow
@pytest.mark.parametrize("name", ["zip", "k"])
@pytest.mark.parametrize("kind", VALUES)
def test_the_same_values_as_partitions_and_as_a_column_do_not_drift(tmp_path: Path, kind: str, name: str) -> None:
    values = VALUES[kind]
    # texts of a typed file are not the numbers of an untyped one
    forms = ["partitions", "csv", "numbers" if all(map(_is_whole, values)) else "texts"]
    if kind in ("decimals", "signs", "long numbers", "booleans"):
        forms = ["partitions", "csv"]
    for before in forms:
        _write_rows(tmp_path / f"was-{before}", before, name, values, 1)
        _write_rows(tmp_path / f"now-{before}", before, name, values, 2)
    states = {
        (before, after): driftline.evaluate(
            tmp_path / f"now-{after}", baseline=tmp_path / f"was-{before}", task="binary", actual="none"
        ).to_dict()["windows"][0]["drift"]["features"][name]["state"]
        for before in forms
        for after in forms
        if "partitions" in (before, after)
    }
    assert set(states.values()) == {"ok"}, states


@pytest.mark.parametrize("name", ["zip", "k"])
def test_codes_of_partitions_are_compared_with_the_numbers_of_a_baseline(tmp_path: Path, name: str) -> None:
    values = VALUES["zip codes"]
    was = _write_rows(tmp_path / "was", "numbers", name, values, 1)
    now = _write_rows(tmp_path / "now", "partitions", name, values, 2)
    result = driftline.evaluate(now, baseline=was, task="binary", actual="none").to_dict()
    assert result["windows"][0]["drift"]["features"][name]["state"] == "ok"
