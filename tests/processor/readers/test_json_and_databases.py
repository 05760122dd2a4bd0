"""Logs as people write them, nested JSON, lists, lines of `logging`, SQLite: the same rows, the same answer."""

from __future__ import annotations

import gzip
import json
import logging
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.readers import sqlite
from driftline_processor.readers.addresses import file_or_address
from driftline_processor.readers.arrow_columns import column, one_array
from driftline_processor.readers.errors import BadInput
from driftline_processor.readers.json_rows import NdjsonSource, columns_of
from driftline_processor.readers.limits import MOST_COLUMNS
from driftline_processor.readers.sources import is_built_baseline, open_source

from tests.support.churn_files import Run
from tests.support.paths import ROOT

PAGE = (ROOT / "docs/files/evaluate-files.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## Logs and databases\n")[2].partition("\n## ")[0]

N = 300


def silent(sentence: str) -> None:
    """Say nothing."""


def predictions(seed: int, shift: float) -> list[dict[str, Any]]:
    """Rows as a service would have logged them."""
    random = np.random.default_rng(seed)
    return [
        {
            "id": f"p{at}",
            "time": f"2026-03-{1 + at % 28:02d}T10:00:00Z",
            "features": {
                "age": round(random.normal(40 + shift, 10), 2),
                "home": {"city": str(random.choice(["x", "y"]))},
            },
            "score": round(random.random(), 3),
            "actual": int(random.random() < 0.5),
        }
        for at in range(N)
    ]


def write_sqlite(path: Path, rows: list[dict[str, Any]]) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE predictions (id TEXT, time TEXT, features TEXT, score REAL, actual INTEGER)")
        database.execute("CREATE TABLE migrations (version)")
        database.execute("CREATE VIEW labelled AS SELECT id, actual FROM predictions WHERE actual IS NOT NULL")
        values = [(*row.values(),) for row in (row | {"features": json.dumps(row["features"])} for row in rows)]
        database.executemany("INSERT INTO predictions VALUES (?, ?, ?, ?, ?)", values)
        database.commit()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the same week in every form, and with the weeks before it."""
    monkeypatch.chdir(tmp_path)
    before, week = predictions(1, 0), predictions(2, 8)
    Path("before.jsonl").write_text("".join(json.dumps(row) + "\n" for row in before))
    Path("log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in week))
    Path("predictions.json").write_text(json.dumps(week, indent=2))
    write_sqlite(tmp_path / "log.db", week)
    logger = logging.Logger("app")
    handler = logging.FileHandler("app.log")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.addHandler(handler)
    logger.warning("started")
    for at, row in enumerate(week):
        logger.warning(json.dumps(row))
        if at % 100 == 0:
            logger.warning("health check")
    handler.close()
    with Path("messages.jsonl").open("w") as file:
        for at, row in enumerate(week):
            stamp = row["time"].replace("T", " ").replace("Z", ",123")
            file.write(json.dumps({"asctime": stamp, "level": "INFO", "message": json.dumps(row)}) + "\n")
            if at % 100 == 0:
                file.write(json.dumps({"asctime": stamp, "level": "INFO", "message": "health check"}) + "\n")
    return tmp_path


def values(run: Run, data: str, *options: str) -> tuple[dict[str, Any], list[str]]:
    """Return KS or chi-square by feature, and what was said."""
    command = ("evaluate", data, "--baseline", "before.jsonl", "--features", "features.*", "--json", *options)
    result = run(*command)
    assert result.exit_code == 0, result.stderr
    [window] = json.loads(result.stdout)["windows"]
    features = window["drift"]["features"]
    return {name: one["methods"][one["decided_by"]]["value"] for name, one in features.items()}, [
        sentence.removeprefix("driftline: ") for sentence in result.stderr.splitlines()
    ]


def test_every_form_of_a_log_gives_the_same_answer(run: Run, folder: Path) -> None:
    expected, _ = values(run, "log.jsonl")
    assert set(expected) == {"features.age", "features.home.city"}
    assert expected["features.age"] > 0.25
    for data in (
        "predictions.json",
        "sqlite:///log.db?table=predictions",
        f"sqlite:///{folder}/log.db?table=predictions",
    ):
        assert values(run, data)[0] == expected
    found, said = values(run, "app.log")
    assert found == expected
    assert "app.log: left out 4 lines: line 1 is not a JSON object" in said


@pytest.mark.usefixtures("folder")
def test_messages_that_are_json_are_the_objects_they_are(run: Run) -> None:
    expected, _ = values(run, "log.jsonl")
    command = ("evaluate", "messages.jsonl", "--baseline", "messages.jsonl", "--features", "message.features.*")
    result = run(*command, "--time", "asctime", "--json")
    assert result.exit_code == 0, result.stderr
    [window] = json.loads(result.stdout)["windows"]
    assert (window["rows"], window["start"]) == (N, "2026-03-01T10:00:00Z")
    assert set(window["drift"]["features"]) == {f"message.{name}" for name in expected}
    left = "left out 3 rows without a value in message.features.age, message.features.home.city"
    assert f"driftline: messages.jsonl: {left}" in result.stderr.splitlines()


def test_the_commands_of_the_page_run(run: Run, folder: Path) -> None:
    commands = [shlex.split(line)[1:] for line in SECTION.splitlines() if line.startswith("driftline ")]
    assert len(commands) == 6
    for command in commands:
        result = run(*command)
        assert result.exit_code == 0, result.stderr
    assert set(Baseline.load(folder / "churn.baseline.json").bins.features) == {"features.age", "features.home.city"}


@pytest.mark.usefixtures("folder")
def test_a_baseline_remembers_dotted_columns(run: Run) -> None:
    options = ("--features", "features.*", "--model", "m", "--task", "binary", "-o", "b.json")
    assert run("baseline", "build", "before.jsonl", *options).exit_code == 0
    result = run("evaluate", "predictions.json", "--baseline", "b.json", "--outcomes", "log.jsonl", "--json")
    assert result.exit_code == 0, result.stderr
    [window] = json.loads(result.stdout)["windows"]
    assert window["outcomes"]["rows"] == N
    assert set(window["drift"]["features"]) == {"features.age", "features.home.city"}


@pytest.mark.usefixtures("folder")
def test_a_pattern_without_a_match_is_bad_input(run: Run) -> None:
    result = run("evaluate", "log.jsonl", "--baseline", "before.jsonl", "--features", "feature.*")
    assert result.exit_code == 2
    assert "before.jsonl: no column 'feature.*' (--features); did you mean 'features.age'" in result.stderr


@pytest.mark.parametrize("block", [None, 200])
def test_a_list_is_read_as_lines_are(tmp_path: Path, block: int | None) -> None:
    path = tmp_path / "rows.json"
    rows = [{"a": {"b": at, "c": "x" if at % 2 else None}} for at in range(50)]
    path.write_text("\n " + json.dumps(rows, indent=1))
    source = NdjsonSource(path, silent, block=block)
    assert source.column("a.b").to_pylist() == list(range(50))
    assert source.column("a.c").null_count == 25


def test_a_list_that_was_cut_is_read_up_to_there(tmp_path: Path) -> None:
    path, said = tmp_path / "rows.json", list[str]()
    path.write_text('[{"a": 1}, {"a": 2}, {"a": ')
    assert open_source(path, (), said.append).column("a").to_pylist() == [1, 2]
    assert said == [f"{path}: left out 1 object: object 3 is not a JSON object"]


def test_objects_over_several_lines_are_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps({"a": 1}, indent=2) + "\n" + json.dumps({"a": 2}, indent=2) + "\n")
    assert open_source(path, (), silent).column("a").to_pylist() == [1, 2]


@pytest.mark.parametrize("rows", [2, 100, 6_000])
@pytest.mark.parametrize("block", [None, 1_000])
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    ("index", "orient", "noun"),
    [("number", "columns", "columns"), ("text", "columns", "columns"), ("number", "index", "rows")],
)
def test_an_object_of_columns_is_no_rows(
    rows: int, block: int | None, indent: int | None, index: str, orient: Any, noun: str, tmp_path: Path
) -> None:
    """The number of its values, which would be columns of one row, does not matter."""
    path = tmp_path / "rows.json"
    frame = pd.DataFrame({"age": range(rows), "plan": "a", "score": 0.5})
    frame.index = frame.index if index == "number" else pd.Index([f"r{row}" for row in range(rows)])
    frame.to_json(path, orient=orient, indent=indent)
    with pytest.raises(BadInput, match=f"the file is one object of {noun}, but rows are required; write it with"):
        NdjsonSource(path, silent, (), block)


@pytest.mark.parametrize("shape", ["split", "table", "lists", "serving", "wrapped"])
@pytest.mark.parametrize("indent", [None, 1])
def test_an_object_of_lists_is_no_rows(shape: str, indent: int | None, tmp_path: Path) -> None:
    frame = pd.DataFrame({"age": range(3), "plan": "a"})
    tables: dict[str, Any] = {
        "split": json.loads(frame.to_json(orient="split")),
        "table": json.loads(frame.to_json(orient="table")),
        "lists": frame.to_dict("list"),
        "serving": {"dataframe_split": frame.to_dict("split")},
        "wrapped": {"data": frame.to_dict("records")},
    }
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(tables[shape], indent=indent))
    with pytest.raises(BadInput, match="the file is one object of lists, but rows are required; write it with"):
        NdjsonSource(path, silent)


@pytest.mark.parametrize(
    "row",
    [
        {"features": {"age": 31, "plan": "a"}},
        {"features": {"age": 31}, "outputs": {"score": 0.5}},
        {"before": {"age": 31, "plan": "a"}, "after": {"age": 32, "plan": "a"}},
        {"0": 1, "1": 2},
        {"features": {"age": 31, "tags": ["a", "b"]}},
        {"id": "r1", "items": [{"sku": 1}, {"sku": 2}]},
    ],
)
@pytest.mark.parametrize("lines", [True, False])
def test_rows_of_objects_are_rows(row: dict[str, Any], lines: bool, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text("\n".join([json.dumps(row)] * 2) if lines else json.dumps([row]))
    assert open_source(path, (), silent).rows == (2 if lines else 1)


def test_a_key_with_a_dot_stays_and_the_first_of_one_name_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a.b": 1, "a": {"b": 2, "c": "x"}, "d": "{\\"e\\": 5}"}\n' * 2)
    source = open_source(path, (), silent)
    assert {name: source.column(name).to_pylist()[0] for name in source.schema.names} == {
        "a.b": 1,
        "a.c": "x",
        "d.e": 5,
    }


def test_a_text_that_only_looks_like_an_object_stays(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"m": text}) + "\n" for text in ('{"a": 1}', "{name}")))
    source = open_source(path, (), silent)
    assert source.column("m").to_pylist() == ['{"a": 1}', "{name}"]
    assert source.column("m.a").to_pylist() == [1, None]


@pytest.mark.parametrize("noise", ["", "no object\n"])
def test_objects_are_taken_apart_to_a_depth(tmp_path: Path, noise: str) -> None:
    path = tmp_path / "rows.jsonl"
    row: dict[str, Any] = {"end": 1}
    for at in range(20):
        row = {f"k{at}": row, "n": at}
    path.write_text(json.dumps(row) + "\n" + noise)
    names = open_source(path, (), silent).schema.names
    assert max(name.count(".") for name in names) == 7
    assert len(names) == 9


def test_ids_as_keys_are_bad_input() -> None:
    def rows() -> Iterator[dict[str, Any]]:
        for at in range(MOST_COLUMNS + 1):
            yield {"by_id": {f"u{at}": at}}

    with pytest.raises(BadInput, match=r"more than 5,000 columns, such as 'by_id\.u5000': are ids used as keys"):
        columns_of(rows())


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("sqlite:///log.db", "the tables are labelled, migrations, predictions; use one, such as sqlite:///log.db?"),
        ("log.db", "the tables are labelled, migrations, predictions; use one, such as sqlite:///log.db?table="),
        ("sqlite:///log.db?table=prediction", "log.db: no table 'prediction'; did you mean 'predictions'?"),
        ("sqlite:///no.db?table=predictions", "no.db: no such file"),
        ("s3://lake/scored.parquet", "s3://lake/scored.parquet: only local files are read"),
        ("sqlite:///log.db?tabel=predictions", "use sqlite:///FILE?table=NAME or sqlite:///FILE?query=SELECT..."),
        ("sqlite:///log.jsonl?table=predictions", "log.jsonl: the database cannot be read: file is not a database"),
        ("sqlite:///log.db?query=DELETE FROM predictions", "the query 'DELETE FROM predictions' cannot be read"),
        ("sqlite:///log.db?query=ATTACH 'x.db' AS x", "cannot be read: not authorized"),
        ("sqlite:///log.db?query=SELECT load_extension('x')", "cannot be read: not authorized"),
        ("sqlite:///log.db?query=PRAGMA query_only = OFF", "cannot be read: not authorized"),
        ("sqlite:///log.db?table=migrations", "there are no rows"),
    ],
)
def test_what_cannot_be_read_of_a_database_is_said(run: Run, folder: Path, address: str, why: str) -> None:
    result = run("evaluate", address, "--baseline", "before.jsonl")
    assert (result.exit_code, why in result.stderr) == (2, True), result.stderr
    assert not (folder / "x.db").exists()


def test_a_view_and_a_query_are_read_and_nothing_is_written(folder: Path) -> None:
    before = (folder / "log.db").read_bytes()
    view = open_source(file_or_address("sqlite:///log.db?table=labelled"), (), silent)
    assert (view.rows, view.schema.names) == (N, ["id", "actual"])
    text = "sqlite:///log.db?query=WITH top AS (SELECT * FROM predictions WHERE score / 2 > 0.25) SELECT id FROM top"
    assert 0 < open_source(file_or_address(text), (), silent).rows < N
    assert (folder / "log.db").read_bytes() == before


@pytest.mark.parametrize("chunk", [1, 50_000])
def test_a_column_of_several_types_is_read_by_its_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(sqlite, "_CHUNK", chunk)
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        database.execute("CREATE TABLE t (a, b, c, d)")
        values = [(1, 1, b"\x80", "2026-03-01 10:00:00"), (2.5, "x", None, None)]
        database.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", values)
        database.commit()
    source = open_source(tmp_path / "a.db", (), silent)
    several = column(one_array(source.column("b")), number=False)  # the number of a chunk of several types is marked
    assert (source.column("a").to_pylist(), [text.strip() for text in source.column("b").to_pylist()]) == (
        [1.0, 2.5],
        ["1", "x"],
    )
    assert several.categories == (("1", "x") if chunk == 1 else ("x",))
    assert (set(source.by_looks), source.column("c").null_count) == ({"b"}, 2)
    assert str(source.schema.field("d").type) == "timestamp[ns]"


@pytest.mark.parametrize("block", [None, 40])
@pytest.mark.parametrize("noise", ["", "no object\n"])
def test_half_a_surrogate_pair_is_a_question_mark(tmp_path: Path, block: int | None, noise: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "x", "b": "{\\"c\\": \\"\\\\ud800\\"}"}\n{"a": "\\ud83d", "\\udfff": 1}\n' + noise)
    source = NdjsonSource(path, silent, block=block)
    assert source.column("a").to_pylist() == ["x", "?"]
    assert source.column("b.c").to_pylist() == ["?", None]
    assert source.column("?").to_pylist() == [None, 1]


@pytest.mark.parametrize("block", [None, 15])
def test_a_character_that_is_no_utf_8_is_replaced_and_counted(tmp_path: Path, block: int | None) -> None:
    path, said = tmp_path / "rows.jsonl", list[str]()
    path.write_bytes(b'{"a": "x"}\n' + '{"a": "ü"}\n'.encode("latin-1") + '{"a": "ü"}\n'.encode())
    assert NdjsonSource(path, said.append, block=block).column("a").to_pylist() == ["x", "\ufffd", "ü"]
    assert said == [f"{path}: 1 character not valid in UTF-8, replaced by U+FFFD"]


@pytest.mark.parametrize("block", [None, 15])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.log", "rows.jsonl.gz", "list.json"])
@pytest.mark.parametrize(("encoding", "text"), [("cp1252", "Müller €"), ("latin-1", "Müller \x81")])
def test_json_of_windows_has_the_encoding_of_a_csv(
    tmp_path: Path, encoding: str, text: str, name: str, block: int | None
) -> None:
    path, said = tmp_path / name, list[str]()
    rows = [f'{{"a": "{text}", "größe": {k}}}' for k in range(3)]
    content = (f"[{', '.join(rows)}]" if name == "list.json" else "\n".join(rows)).encode(encoding)
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    source = NdjsonSource(path, said.append, block=block)
    assert (source.column("a").to_pylist(), source.column("größe").to_pylist()) == ([text] * 3, [0, 1, 2])
    assert said == [f"{path}: not UTF-8; read as {encoding}; save it as UTF-8 if texts look wrong"]


@pytest.mark.parametrize("chunk", [1, 50_000])
def test_a_text_of_a_database_that_is_no_utf_8_costs_only_its_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(sqlite, "_CHUNK", chunk)
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        database.execute("CREATE TABLE t (a)")
        database.execute("INSERT INTO t VALUES ('a'), (CAST(X'78FC' AS TEXT)), ('ü')")
        database.commit()
    assert open_source(tmp_path / "a.db", (), silent).column("a").to_pylist() == ["a", "x\ufffd", "ü"]


@pytest.mark.parametrize("mark", ["utf-16", "utf-8-sig"])
@pytest.mark.parametrize("text", ['{"city": "Zürich"}\n{"city": "Köln"}\n', '[{"city": "Zürich"},\n{"city": "Köln"}]'])
def test_a_byte_order_mark_decides_the_encoding(mark: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(text.encode(mark))
    assert is_built_baseline(path) == text.startswith("{")
    assert open_source(path, (), silent).column("city").to_pylist() == ["Zürich", "Köln"]


def test_utf_16_without_its_mark_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "rows.ndjson").write_bytes('{"city": "x"}\n'.encode("utf-16-le"))
    with pytest.raises(BadInput, match="save the file as UTF-8"):
        open_source(tmp_path / "rows.ndjson", (), silent)
