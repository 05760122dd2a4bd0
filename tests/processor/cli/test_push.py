"""`driftline outcomes push`: files of every kind, in parts, through whatever happens on the way."""

from __future__ import annotations

import csv
import gzip
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from driftline_processor.cli.commands import app as commands
from driftline_processor.cli.connection import Connection
from driftline_processor.cli.outcome_upload import (
    OutcomeColumns,
    UploadResult,
    UploadTarget,
    split_outcomes,
    upload_outcomes,
)
from driftline_processor.readers.errors import BadInput
from typer.testing import CliRunner

from tests.support.facts import lacking
from tests.support.serve import serve
from tests.support.state_fixtures import StateWithRoutes
from tests.support.state_rows import HOUR, NOON, Clock, predictions

LABELS: dict[str, list[Any]] = {
    "order": [f"A-{i}" for i in range(25)],
    "churned": [i % 2 for i in range(25)],
    "known_at": [1_728_000_000 + i for i in range(25)],
    "country": ["NL", "DE", None, "NL", "DE"] * 5,
    "note": ["x"] * 25,
}
COLUMNS = OutcomeColumns({"id": "order", "actual": "churned", "time": "known_at", "slice.country": "country"})
MAPPED = ["--id", "order", "--actual", "churned", "--time", "known_at", "--slice", "country=country"]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[StateWithRoutes]:
    running = StateWithRoutes(tmp_path / "state", Clock())
    yield running
    running.state.stop()


@pytest.fixture
def url(running: StateWithRoutes) -> Iterator[str]:
    with serve(running.client.app) as url:
        yield url


@pytest.fixture(scope="module")
def shared_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a state whose rows no test reads."""
    shared = StateWithRoutes(tmp_path_factory.mktemp("state"), Clock())
    with serve(shared.client.app) as url:
        yield url
    shared.state.stop()


def written(folder: Path, kind: str, columns: dict[str, list[Any]] = LABELS) -> Path:
    path, table = folder / f"labels.{kind}", pa.table(columns)
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=7)
    elif kind == "csv":
        pa.csv.write_csv(table, path)
    elif kind == "csv.gz":
        path.write_bytes(gzip.compress(written(folder, "csv", columns).read_bytes()))
    elif kind == "json":
        path.write_text(json.dumps({"outcomes": table.to_pylist()}))
    else:
        path.write_text("".join(json.dumps(row) + "\n\n" for row in table.to_pylist()))
    return path


def quietly(*_: object) -> None:
    """Say nothing."""


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet", "ndjson", "json"])
def test_a_file_of_any_kind_says_the_same_however_it_is_cut(
    running: StateWithRoutes, url: str, tmp_path: Path, kind: str
) -> None:
    path = written(tmp_path, kind)
    heard: list[str] = []
    pushed = upload_outcomes(path, UploadTarget(Connection(url), "churn"), COLUMNS, heard.append, quietly, rows=10)
    assert pushed == UploadResult(accepted=25)
    assert len(heard) == 1
    assert lacking(heard[0], f"{path}:", "note") == []
    stored = "SELECT id, actual, number, time, slices['country'] AS country FROM outcomes ORDER BY seq"
    assert running.rows(stored) == [
        (f"A-{i}", None, float(i % 2), (1_728_000_000 + i) * 10**9, LABELS["country"][i]) for i in range(25)
    ]


def test_run_again_it_counts_no_row_twice_and_tells_again_what_was_rejected(
    running: StateWithRoutes, url: str, tmp_path: Path
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("id,actual,time\na,1,1728000000\n,1,1728000000\nc,1,1728000000\nd,1,1728000000\ne,nan,1728000000\n")
    target = UploadTarget(Connection(url), "churn")
    reasons = [
        (2, 1, "id is missing"),
        (5, 1, "actual is not finite; send a finite number, or no outcome until it is known"),
    ]
    for _ in range(2):
        pushed = upload_outcomes(path, target, OutcomeColumns({}), quietly, quietly, rows=2)
        assert (pushed.accepted, pushed.rejected, pushed.reasons) == (3, 2, reasons)
    assert running.rows("SELECT id FROM outcomes ORDER BY id") == [("a",), ("c",), ("d",)]


def patient(url: str, waited: list[float]) -> UploadTarget:
    """Send to ``url`` by a clock that only waiting moves; ``waited``: the pauses, seconds."""
    return UploadTarget(Connection(url), "churn", pause=waited.append, clock=lambda: sum(waited))


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_retryable_answer_is_asked_again_when_it_says_so(
    shared_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    waited: list[float] = []
    heard: list[str] = []
    post = httpx.Client.post
    faults = iter([{}, {"retry-after": "7"}, None, {"retry-after": "30"}, {}])

    def shaky(client: httpx.Client, path: str, **given: Any) -> httpx.Response:
        headers = next(faults, None)
        answer = httpx.Response(status, headers=headers or {}, json={"error": "busy"})
        return post(client, path, **given) if headers is None else answer

    monkeypatch.setattr(httpx.Client, "post", shaky)
    pushed = upload_outcomes(
        written(tmp_path, "csv"), patient(shared_url, waited), COLUMNS, heard.append, quietly, rows=13
    )
    assert (pushed.accepted, waited) == (25, [0.5, 7.0, 30.0, 1.0])
    assert [one for one in heard if "retrying" in one] == [
        f"{shared_url} returned {status}: busy; retrying for 60 s"
    ] * 2


@pytest.mark.parametrize("status", [400, 401, 413, 500])
def test_another_answer_is_final(shared_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    waited: list[float] = []
    monkeypatch.setattr(httpx.Client, "post", lambda *_, **__: httpx.Response(status, json={"error": "no"}))
    with pytest.raises(BadInput, match=f"{shared_url}: no"):
        upload_outcomes(written(tmp_path, "csv"), patient(shared_url, waited), COLUMNS, quietly, quietly)
    assert waited == []


def test_who_asks_to_come_again_after_the_deadline_is_not_waited_for(
    shared_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    busy = httpx.Response(503, headers={"retry-after": "3600"}, json={"error": "busy"})
    monkeypatch.setattr(httpx.Client, "post", lambda *_, **__: busy)
    with pytest.raises(BadInput, match=f"{shared_url} returned 503: busy; nothing has arrived; run the command again"):
        upload_outcomes(written(tmp_path, "csv"), patient(shared_url, waited), COLUMNS, quietly, quietly)
    assert waited == []


def test_who_asks_to_come_again_at_once_is_not_asked_without_a_pause(
    shared_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    answers = iter([httpx.Response(503, headers={"retry-after": "0"})] * 3)
    post = httpx.Client.post
    monkeypatch.setattr(httpx.Client, "post", lambda *a, **k: next(answers, None) or post(*a, **k))
    assert (
        upload_outcomes(written(tmp_path, "csv"), patient(shared_url, waited), COLUMNS, quietly, quietly).accepted == 25
    )
    assert waited == [0.5] * 3


def test_overload_and_a_lost_answer_cost_time_and_no_row(
    running: StateWithRoutes, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    post, faults = httpx.Client.post, iter(["503", "lost", "", "lost", ""])

    def shaky(client: httpx.Client, path: str, **given: Any) -> httpx.Response:
        fault = next(faults, "")
        if fault == "503":
            return httpx.Response(503, headers={"retry-after": "2"})
        answer = post(client, path, **given)
        if fault == "lost":  # the rows are on disk, and nobody heard of it
            raise httpx.ReadError("connection reset")
        return answer

    monkeypatch.setattr(httpx.Client, "post", shaky)
    pushed = upload_outcomes(written(tmp_path, "csv"), patient(url, waited), COLUMNS, quietly, quietly, rows=10)
    assert waited == [2.0, 1.0, 0.5]
    assert running.rows("SELECT count(*)::INT AS n FROM outcomes") == [(25,)]
    assert pushed.rejected == 0


def test_a_processor_that_stays_away_is_named_with_what_is_there(
    running: StateWithRoutes, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    path, post = written(tmp_path, "csv"), httpx.Client.post

    def gone(client: httpx.Client, where: str, **given: Any) -> httpx.Response:
        if b"A-9" in given["content"]:
            return post(client, where, **given)
        raise httpx.ConnectError("refused")

    with monkeypatch.context() as patched:
        patched.setattr(httpx.Client, "post", gone)
        with pytest.raises(BadInput, match="10 rows"):
            upload_outcomes(path, patient(url, waited), COLUMNS, quietly, quietly, rows=10)
    assert sum(waited) == 45.5  # 0.5, 1, 2, 4, 8, 15, 15; another 15 would be beyond the minute
    assert upload_outcomes(
        path, UploadTarget(Connection(url), "churn"), COLUMNS, quietly, quietly, rows=10
    ) == UploadResult(accepted=25)
    assert running.rows("SELECT count(*)::INT AS n FROM outcomes") == [(25,)]


def invoke(url: str, *arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(commands, ["outcomes", "push", "--endpoint", url, *map(str, arguments)])
    return result.exit_code, result.output


@pytest.mark.slow
def test_the_command_counts_names_rows_and_exits_with_3_where_some_were_rejected(url: str, tmp_path: Path) -> None:
    good, bad = written(tmp_path, "parquet"), tmp_path / "bad.csv"
    bad.write_text("order,churned,known_at,country\n" + ",1,,\n" * 30 + "z,1,,\n")
    code, said = invoke(url, good, bad, "--model", "churn", *MAPPED, "--rejected", tmp_path / "rejected.csv")
    assert code == 3
    lines = said.splitlines()
    assert f"{good}: 25 accepted, 0 rejected" in lines
    at = lines.index(f"{bad}: 1 accepted, 30 rejected")
    assert lines[at + 1 : at + 3] == ["  row 1: id is missing", "  row 2: id is missing"]
    assert lines[-1] == "  and 10 more; use --rejected FILE to write all of them"
    with (tmp_path / "rejected.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[:2] == [["file", "row", "rows", "reason"], [str(bad), "1", "1", "id is missing"]]
    assert len(rows) == 31
    assert invoke(url, good, "--model", "churn", *MAPPED)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model", "m"], "no column 'id'; set it with --id COLUMN; available: order, churned"),
        (["--model", "m", "--id", "ordre", "--actual", "churned"], "no column 'ordre' for id; did you mean 'order'?"),
        (MAPPED, "the model is missing; add ?model=NAME to the URL, or a model to every row"),
        (["--model", "m", "--slice", "country"], "--slice country: use NAME=COLUMN"),
    ],
)
def test_what_cannot_be_sent_is_one_sentence(
    shared_url: str, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    code, said = invoke(shared_url, written(tmp_path, "csv"), *arguments)
    assert (code, sentence in said) == (2, True)


def test_nobody_there_and_no_driftline_there_are_told_apart(tmp_path: Path) -> None:
    path = written(tmp_path, "csv")
    code, said = invoke("http://127.0.0.1:9", path, "--model", "m", "--timeout", 0, *MAPPED)
    sentence = "no response from http://127.0.0.1:9 (ConnectError); start 'driftline up'"
    assert (code, sentence in said) == (2, True)


@pytest.mark.parametrize(
    ("kind", "text", "rejected"),
    [
        (
            "csv",
            'id,actual\na,1\ntorn\n"b\nc",1\nd,1,2\n',
            {2: "the line does not have 2 cells, as the header has", 4: "the line"},
        ),
        (
            "ndjson",
            '{"id": "a", "actual": 1}\n{"id":\n17\n{"id": "b", "odd": 1}\n',
            {2: "this is not JSON", 3: "an outcome must be", 4: "actual is missing"},
        ),
    ],
)
def test_lines_that_are_torn_are_named_by_their_place_in_the_file(
    shared_url: str, tmp_path: Path, kind: str, text: str, rejected: dict[int, str]
) -> None:
    path = tmp_path / f"labels.{kind}"
    path.write_text(text)
    pushed = upload_outcomes(path, UploadTarget(Connection(shared_url), "churn"), OutcomeColumns({}), quietly, quietly)
    assert {row: reason[: len(rejected[row or 0])] for row, _, reason in pushed.reasons} == rejected


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "ndjson", "json"])
def test_a_line_of_another_encoding_costs_itself(shared_url: str, tmp_path: Path, kind: str) -> None:
    lines = ["id,actual", "a,1", "Jos\u00e9,1", "c,0"]
    if kind in ("ndjson", "json"):
        lines = ['{"id": "a", "actual": 1}', '{"id": "Jos\u00e9", "actual": 1}', '{"id": "c", "actual": 0}']
    path, body = tmp_path / f"labels.{kind}", "\n".join(lines).encode("latin-1")
    path.write_bytes(gzip.compress(body) if kind == "csv.gz" else body)
    pushed = upload_outcomes(path, UploadTarget(Connection(shared_url), "churn"), OutcomeColumns({}), quietly, quietly)
    assert (pushed.accepted, pushed.rejected) == (2, 1)
    assert [(row, count) for row, count, _ in pushed.reasons] == [(2, 1)]
    assert "UTF-8" in pushed.reasons[0][2] or "utf-8" in pushed.reasons[0][2]


def test_a_file_in_utf_16_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("id,actual\na,1\n", encoding="utf-16")
    with pytest.raises(BadInput, match="UTF-16; save it as UTF-8"):
        list(split_outcomes(path, OutcomeColumns({}), quietly))


def test_a_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "outcomes.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE outcomes (id TEXT, actual TEXT)")
    with pytest.raises(BadInput, match="export"):
        list(split_outcomes(Path(f"sqlite:///{file}?table=outcomes"), OutcomeColumns({}), quietly))


def test_a_model_of_the_command_wins_over_a_column_of_that_name(
    running: StateWithRoutes, url: str, tmp_path: Path
) -> None:
    columns: dict[str, list[Any]] = {"id": ["a"], "actual": [1], "model": ["Corolla"]}
    assert invoke(url, written(tmp_path, "csv", columns), "--model", "prices")[0] == 0
    assert invoke(url, written(tmp_path, "parquet", columns))[0] == 0
    assert running.rows("SELECT model FROM outcomes ORDER BY seq") == [("prices",), ("Corolla",)]


def test_progress_is_heard_of_part_by_part(shared_url: str, tmp_path: Path) -> None:
    heard: list[int] = []
    upload_outcomes(
        written(tmp_path, "csv"), UploadTarget(Connection(shared_url), "churn"), COLUMNS, quietly, heard.append, rows=10
    )
    assert heard == [10, 10, 5]


@pytest.mark.slow
def test_show_prints_what_was_said_and_what_counts(running: StateWithRoutes, url: str, tmp_path: Path) -> None:
    running.send(predictions(["a"], NOON, version="v1"))
    path = tmp_path / "labels.csv"
    path.write_text(f"id,actual,time,slice.group\na,1,{NOON + HOUR},\na,0,{NOON + 2 * HOUR},b\nx,1,{NOON},\n")
    assert invoke(url, path, "--model", "churn")[0] == 0
    running.state.settle()

    def show(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(commands, ["outcomes", "show", *arguments, "--url", url])
        return result.exit_code, result.output

    code, said = show("a", "--model", "churn")
    assert (code, said.splitlines()) == (
        0,
        [
            "2024-10-04T13:00:00Z  actual 1  (was replaced; received 2024-10-04T12:00:00Z)",
            "2024-10-04T14:00:00Z  actual 0, group=b  (counts for v1; received 2024-10-04T12:00:00Z)",
        ],
    )
    assert "waits for its prediction" in show("x", "--model", "churn")[1]
    assert show("nobody", "--model", "churn") == (0, "no outcomes for nobody\n")
    assert [one["actual"] for one in json.loads(show("a", "--model", "churn", "--json")[1])["outcomes"]] == ["1", "0"]
    asked_of_another = show("a", "--model", "chrun")
    assert asked_of_another == (2, f"driftline: {url}: no model 'chrun' has sent predictions; did you mean 'churn'?\n")


@pytest.mark.slow
def test_outcomes_of_a_model_that_never_predicted_say_which_name_could_be_meant(
    running: StateWithRoutes, url: str, tmp_path: Path
) -> None:
    running.send(predictions(["a"], NOON))
    running.state.publish()
    path = tmp_path / "labels.csv"
    path.write_text("id,actual\na,1\n")
    asked = ["outcomes", "push", str(path), "--endpoint", url, "--model"]
    meant, known = (CliRunner().invoke(commands, [*asked, model]) for model in ("chrun", "churn"))
    assert (meant.exit_code, meant.stdout) == (0, f"{path}: 1 accepted, 0 rejected\n")
    assert lacking(meant.stderr, "'chrun'", "'churn'") == []
    assert known.stderr == ""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "spreadsheet", "json", "parquet"])
def test_models_that_a_file_names_are_asked_for_too(
    running: StateWithRoutes, url: str, tmp_path: Path, form: str
) -> None:
    running.send(predictions(["a"], NOON))
    running.state.publish()
    named = ("churn", "chrun", "something else", "hcurn", "chrun")
    rows = [{"id": "a", "actual": "1", "model": model} for model in named]
    path = tmp_path / f"labels.{'csv' if form == 'spreadsheet' else form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif form == "json":
        path.write_text(json.dumps(rows))
    else:
        mark = "'" if form == "spreadsheet" else ""
        lines = [list(rows[0]), *(list(row.values()) for row in rows)]
        path.write_text("".join(",".join(f"{mark}{cell}" for cell in line) + "\n" for line in lines))
    pushed = CliRunner().invoke(commands, ["outcomes", "push", str(path), "--endpoint", url])
    assert (pushed.exit_code, pushed.stdout) == (0, f"{path}: 5 accepted, 0 rejected\n")
    assert pushed.stderr.splitlines() == [
        f"driftline: no model '{name}' has sent predictions; did you mean 'churn'? "
        "Its outcomes wait for its first prediction."
        for name in ("chrun", "hcurn")
    ]
