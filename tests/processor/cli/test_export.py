"""``driftline export``: the tables have the numbers of the API, and are never half written."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NoReturn, cast

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from driftline.tables.timestamps import instant
from driftline_processor.cli.commands import app
from driftline_processor.cli.export.lake_tables import LakeTables
from driftline_processor.cli.export.parquet_files import MANIFEST
from driftline_processor.cli.export.places import open_place
from driftline_processor.config.model import Model
from driftline_processor.policy.alerts import Alert
from driftline_processor.present.result_schema import TABLES, arrow_schema
from driftline_processor.queries import result_tables
from driftline_processor.readers.errors import BadInput
from driftline_processor.state import State
from driftline_processor.store.panes import KEEP_DAYS
from msgspec.structs import replace
from starlette.testclient import TestClient
from typer.testing import CliRunner, Result

from tests.support.fake_view import app_of
from tests.support.paths import ROOT
from tests.support.people import EverybodyMay
from tests.support.serve import serve
from tests.support.state_rows import DAY, NOON, Clock, Opened, baseline, config, outcomes, predictions
from tests.support.unwrap import unwrap

MIDNIGHT = NOON - NOON % DAY
PAGE = (ROOT / "docs/see/sql.md").read_text(encoding="utf-8")
S3 = "endpoint_override={}&scheme=http&region=us-east-1"


class Exported(Opened):
    """A state of some days, with the rows of its tables as they are in a directory."""

    def __init__(self, directory: Path, days: int, models: tuple[str, ...] = ("churn",)) -> None:
        self.clock = Clock(MIDNIGHT)
        settings = Model(windows=("6h", "1d"), slices=("region",))
        configured = config(directory).model_copy(update={"models": dict.fromkeys(models, settings)})
        super().__init__(State(configured, clock=self.clock))
        self.state.start_storing()
        for number, model in enumerate(models):
            self._fill(model, days, np.random.default_rng(number))
        self.clock.now = MIDNIGHT + (days + 1) * DAY
        self.settle()

    def _fill(self, model: str, days: int, rng: np.random.Generator) -> None:
        score = rng.random(2_000)
        actual = (rng.random(2_000) < score).astype(int).tolist()
        features: dict[str, Any] = {"age": rng.normal(0, 1, 2_000).tolist(), "tenure": rng.normal(0, 1, 2_000).tolist()}
        self.send(baselines=[baseline(score.tolist(), features, model=model, actual=actual).to_json()])
        for day in range(days):
            n = 200
            ids = [f"{day}-{row}" for row in range(n)]
            times = (MIDNIGHT + day * DAY + np.sort(rng.integers(0, DAY, n))).tolist()
            score = rng.random(n)
            shifted = {"age": rng.normal(float(day > 2), 1, n).tolist(), "tenure": rng.normal(0, 1, n).tolist()}
            self.clock.now = times[-1]
            regions = rng.choice(["north", "south"], n).tolist()
            self.send(
                predictions(ids, times, score.tolist(), model=model, features=shifted, slices={"region": regions})
            )
            actual = (rng.random(n) < (score if day < 4 else 1 - score)).astype(int).tolist()
            self.send(outcomes(ids, actual, self.clock.now, model=model))

    def settle(self) -> None:
        """Evaluate and store all windows."""
        self.state.settle()
        self.state.publish()

    def raise_alert(self, id: str, day: int, **changes: Any) -> None:
        """Store an alert that was opened on a day."""
        seen = MIDNIGHT + day * DAY
        alert = Alert(
            *(id, "health", "churn", "", "1"),
            severity="critical",
            owner="risk",
            state="degraded",
            since=seen - DAY,
            fired=seen,
            until=None,
            first_seen=seen,
            resolved=None,
            notified=seen + 10**9,
            window="1d",
            start=seen - DAY,
            words="It is degraded.",
        )
        self.state.alerts.write([replace(alert, **changes)])


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


@contextmanager
def served(state: Opened, clock: Clock, **more: Any) -> Iterator[str]:
    with serve(app_of(state.state, clock, **more)) as url:
        yield url


@pytest.fixture(scope="module")
def twelve_days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Exported, Path]]:
    """Twelve days of a model that degrades, with alerts, exported once."""
    folder = tmp_path_factory.mktemp("export")
    state = Exported(folder / "state", 12)
    state.raise_alert("a1", 5, acknowledged=MIDNIGHT + 6 * DAY, acknowledged_by="ann", why="on it")
    state.raise_alert("a2", 5, resolved=MIDNIGHT + 7 * DAY, until=MIDNIGHT + 7 * DAY, version="")
    with served(state, state.clock) as url:
        done = run("--to", folder / "results", "--url", url)
    assert (done.exit_code, done.output) == (
        *(0, f"{folder / 'results'}: 12 of 12 days changed (2024-10-04 to 2024-10-15), 60 files written\n"),
    )
    yield state, folder / "results"
    state.leave()


@pytest.fixture
def three_days(tmp_path: Path) -> Iterator[tuple[Exported, str]]:
    """Three days of a model, and their address."""
    state = Exported(tmp_path / "state", 3)
    with served(state, state.clock) as url:
        yield state, url
    state.leave()


def query(sql: str) -> pa.Table:
    """Return what DuckDB answers."""
    return unwrap(duckdb.connect().sql(sql)).to_arrow_table()


def rows_of(folder: Path, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table as pyarrow reads them, without the partition; times are unix microseconds."""
    read = ds.dataset(folder / table, partitioning="hive", exclude_invalid_files=False).to_table()
    frame = read.select(arrow_schema(table).names)
    times = {field.name for field in frame.schema if str(field.type).startswith("timestamp")}
    rows = [*zip(*(frame[name].cast("int64").to_pylist() if name in times else frame[name].to_pylist()
                   for name in frame.column_names), strict=True)]  # fmt: skip
    return [dict(zip(frame.column_names, row, strict=True)) for row in rows]


def micros(time: str | None) -> int | None:
    return None if time is None else instant(time) // 1_000


def api_windows(state: Exported) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield what a window of the API is called in each table, and the window."""
    client = TestClient(app_of(state.state, state.clock))
    for name in ("6h", "1d"):
        query = {"window": name, "limit": "1000", "as_of": "2034-01-01T00:00:00Z"}
        answer = client.get("/api/v1/models/churn/evaluations", params=query).json()
        for window in answer["windows"]:
            identity = {key: answer[key] for key in ("model", "version", "environment")} | {"window_name": name}
            identity |= {"window_start": micros(window["start"]), "window_end": micros(window["end"])}
            yield {**identity, "evaluated_at": micros(window["believed"])}, window


def ordered(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


@pytest.mark.slow
def test_the_windows_are_those_of_the_api(twelve_days: tuple[Exported, Path]) -> None:
    state, folder = twelve_days
    expected = [
        {
            **identity,
            "rows": window["rows"],
            "distributed_rows": window["distributed"],
            "outcomes": window["outcomes"]["rows"],
            "coverage": window["outcomes"]["coverage"],
            "maturity": window["performance"]["maturity"],
            "drift_fraction": window["drift"]["fraction"],
            "weighted_drift_fraction": window["drift"]["weighted_fraction"],
            "findings": window["quality"]["count"],
            "baseline_version": window["baseline"]["version"],
            "calls": None,
            "failed_calls": None,
        }
        for identity, window in api_windows(state)
    ]
    rows = rows_of(folder, "windows")
    states = ("drift_state", "drift_reason", "features_drifted", "features_compared")  # only of the newest in the API
    assert ordered([{key: row[key] for key in row if key not in states} for row in rows]) == ordered(expected)
    summary = TestClient(app_of(state.state, state.clock)).get("/api/v1/models").json()["models"][0]["windows"]["1d"]
    newest = max((row for row in rows if row["window_name"] == "1d"), key=lambda row: row["window_start"])
    drift = summary["closed"]["drift"]
    assert [newest[key] for key in states] == [
        *(summary["closed"]["state"], summary["closed"]["reason"], drift["drifted"], drift["compared"]),
    ]
    assert {row["drift_state"] for row in rows} >= {"drift", "ok"}


def drift_of(slice: str, kind: str, name: str | None, column: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for method, value in (column["methods"] or {None: {"value": None, "p_value": None}}).items():
        yield {
            **{"slice": slice, "column_kind": kind, "feature": name, "method": method},
            **{"value": value["value"], "p_value": value["p_value"], "decides": method == column["decided_by"]},
            **{key: column[key] for key in ("state", "reason", "size", "effect", "rows")},
            **{"missing": column["missing"]["now"], "missing_baseline": column["missing"]["was"]},
        }


@pytest.mark.slow
def test_the_drift_is_that_of_the_api(twelve_days: tuple[Exported, Path]) -> None:
    state, folder = twelve_days
    expected: list[dict[str, Any]] = []
    for identity, window in api_windows(state):
        parts = {"": window["drift"], **window["drift"]["slices"]}
        for slice, part in parts.items():
            columns = [("feature", name, column) for name, column in part["features"].items()]
            columns += [("score", None, part["score"]), ("class", None, part["class"])]
            for kind, name, column in columns:
                expected += [] if column is None else [identity | row for row in drift_of(slice, kind, name, column)]
        for method, joint in window["drift"]["multivariate"].items():
            common = {"slice": "", "column_kind": "multivariate", "feature": None, "method": method, "decides": True}
            common |= {"size": None, "missing": None, "missing_baseline": None}
            shared = {key: joint[key] for key in ("value", "p_value", "state", "reason", "rows")}
            expected.append(identity | common | shared)
    rows = [
        {key: row[key] for key in row if key != "effect" or row["column_kind"] != "multivariate"}
        for row in rows_of(folder, "drift")
    ]
    assert ordered(rows) == ordered(expected)
    assert {row["slice"] for row in rows} == {"", "region=north", "region=south"}


def metric_of(slice: str, name: str, basis: str, value: Mapping[str, Any], change: Any, was: Any) -> dict[str, Any]:
    method = value["method"] if basis == "estimated" else value["interval"]
    changes = {"comparison": "state", "change": "change", "change_low": "low", "change_high": "high"}
    return {
        **{"slice": slice, "metric": name, "basis": basis, "method": method, "baseline_value": was},
        **{key: value[key] for key in ("value", "low", "high", "rows")},
        "effective_rows": value.get("effective_rows"),
        **{column: change and change[key] for column, key in {**changes, "p_value": "p_value"}.items()},
    }


@pytest.mark.slow
def test_the_metrics_are_those_of_the_api(twelve_days: tuple[Exported, Path]) -> None:
    state, folder = twelve_days
    expected: list[dict[str, Any]] = []
    for identity, window in api_windows(state):
        performance = window["performance"]
        changes, estimated = performance["changes"], performance["estimated_changes"]
        rows = [
            metric_of("", name, "realized", value, changes.get(name), None)
            for name, value in performance["realized"].items()
        ]
        rows += [
            metric_of("", name, "estimated", value, estimated.get(name), value["reference"])
            for name, value in performance["estimated"].items()
        ]
        rows += [
            metric_of(slice, name, "realized", value, None, None)
            for slice, part in performance["slices"].items()
            for name, value in part["metrics"].items()
        ]
        expected += [identity | row for row in rows]
    rows = rows_of(folder, "metrics")
    for row in rows:  # the API has no value of the baseline: it is the value less its change
        if row["basis"] == "realized" and row["change"] is not None:
            assert row["baseline_value"] == pytest.approx(row["value"] - row["change"], rel=1e-12)
    compared = [row | ({"baseline_value": None} if row["basis"] == "realized" else {}) for row in rows]
    assert ordered(compared) == ordered(expected)
    assert {row["comparison"] for row in rows} >= {"worse", None}


@pytest.mark.slow
def test_the_verdicts_and_alerts_are_those_of_the_api(twelve_days: tuple[Exported, Path]) -> None:
    state, folder = twelve_days
    copied = (
        "state",
        "reason",
        "kind",
        "metric",
        "effect",
        "slice",
        "headline",
        "evidence",
        "cause",
        "later",
        "now",
        "action",
    )
    expected = []
    for identity, window in api_windows(state):
        verdict = window["verdict"]
        low, high = verdict["interval"] or (None, None)
        more = {"since": micros(verdict["since"]), "low": low, "high": high, "sentence": verdict["sentence"]}
        expected.append(identity | {key: verdict[key] for key in copied} | more)
    assert ordered(rows_of(folder, "verdicts")) == ordered(expected)
    assert {row["state"] for row in expected} >= {"healthy", "degraded"}
    alerts = TestClient(app_of(state.state, state.clock)).get("/api/v1/alerts").json()["alerts"]
    rows = rows_of(folder, "alerts")
    times = ("since", "until", "fired", "first_seen", "resolved", "notified", "silenced")
    same = ("id", "policy", "model", "version", "environment", "severity", "owner", "state", "open", "finding")
    for alert in alerts:
        alert |= {"acknowledged_by": None, **{key: micros(alert[key]) for key in times}}
        if alert["acknowledged"]:
            alert |= {"acknowledged": micros(alert["acknowledged"]["time"]), "acknowledged_by": "ann"}
    assert ordered(rows) == ordered(
        [{key: alert[key] for key in (*times, *same, "acknowledged", "acknowledged_by")} for alert in alerts]
    )


@pytest.mark.slow
def test_pyarrow_duckdb_pandas_and_polars_read_the_same_tables(twelve_days: tuple[Exported, Path]) -> None:
    polars = pytest.importorskip("polars")
    _, folder = twelve_days
    for table, columns in TABLES.items():
        names = [column.name for column in columns]
        files = sorted((folder / table).glob("day=*/part-0.parquet"))
        assert [pq.read_schema(file).equals(arrow_schema(table), check_metadata=True) for file in files] == [True] * 12
        glob = f"read_parquet('{folder / table}/*/*.parquet', hive_partitioning = true)"
        order = "day, window_name, model, window_start" if table != "alerts" else "day, first_seen, id"
        listed = query(f"SELECT day, * EXCLUDE (day) FROM {glob}")
        assert listed.column_names == ["day", *names]
        assert str(listed.schema.field("day").type) == "date32[day]"
        frame = pd.read_parquet(folder / table)
        assert list(frame.columns) == [*names, "day"]
        assert len(frame) == len(listed) == len(rows_of(folder, table))
        assert polars.read_parquet(folder / table, hive_partitioning=True).height == len(frame)
        text = "sentence" if table == "verdicts" else "finding" if table == "alerts" else "model"
        by_duckdb = query(f"SELECT {text} FROM {glob} ORDER BY {order}, {text}")[text].to_pylist()
        assert sorted(by_duckdb) == sorted(frame[text])
    days = query(
        f"SELECT DISTINCT day = CAST(window_start AT TIME ZONE 'UTC' AS DATE) AS equal "
        f"FROM read_parquet('{folder}/windows/*/*.parquet', hive_partitioning = true)"
    )
    assert days.to_pylist() == [{"equal": True}]


@pytest.mark.slow
def test_only_revised_days_and_tables_are_written_again(three_days: tuple[Exported, str], tmp_path: Path) -> None:
    state, url = three_days
    folder = tmp_path / "results"
    assert run("--to", folder, "--url", url).exit_code == 0
    first = {file: file.stat().st_mtime_ns for file in folder.rglob("*.parquet")}
    assert run("--to", folder, "--url", url).output == f"{folder}: no new results, 3 days unchanged\n"
    state.clock.now += DAY
    state.send(outcomes(["1-0", "1-1"], [0, 0], state.clock.now, retracted=True))
    state.settle()
    state.clock.now += DAY
    state.settle()
    done = run("--to", folder, "--url", url)
    assert "1 of 3 days changed (2024-10-05 to 2024-10-05), " in done.output
    changed = {file for file, time in first.items() if file.stat().st_mtime_ns != time}
    assert {file.parent.name for file in changed} == {"day=2024-10-05"}
    assert {file.parent.parent.name for file in changed} == {"windows", "drift", "metrics", "verdicts"}
    day = [row for row in rows_of(folder, "windows") if row["window_name"] == "1d"]
    assert [row["outcomes"] for row in day] == [200, 198, 200]


@pytest.mark.slow
def test_an_alert_changes_its_day_and_stays_when_it_is_forgotten(
    three_days: tuple[Exported, str], tmp_path: Path
) -> None:
    state, url = three_days
    folder = tmp_path / "results"
    state.raise_alert("a1", 1)
    state.raise_alert("a2", 1, resolved=MIDNIGHT + 2 * DAY)
    assert run("--to", folder, "--url", url).exit_code == 0
    state.raise_alert("a1", 1, acknowledged=MIDNIGHT + 2 * DAY, acknowledged_by="ann")
    assert ", 1 files written" in run("--to", folder, "--url", url).output
    assert [(row["id"], row["acknowledged_by"]) for row in rows_of(folder, "alerts")] == [("a1", "ann"), ("a2", None)]
    state.state.alerts.forget(MIDNIGHT + 3 * DAY)
    assert ", 0 files written" in run("--to", folder, "--url", url).output
    assert [row["id"] for row in rows_of(folder, "alerts")] == ["a1", "a2"]


KILLED = """
import os, signal, sys
from driftline_processor.cli import main
sync, left = os.fsync, int(sys.argv.pop(1))
def fsync(handle):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    sync(handle)
os.fsync = fsync
sys.exit(main())
"""


@pytest.mark.slow
def test_a_killed_export_leaves_whole_files_and_the_next_one_finishes(
    three_days: tuple[Exported, str], tmp_path: Path
) -> None:
    _, url = three_days
    folder, other = tmp_path / "results", tmp_path / "other"
    # a day syncs its download, the files of five tables and the manifest: the second file, then the fourth of the next
    for writes in (10, 12):
        command = [sys.executable, "-c", KILLED, str(writes), "export", "--to", str(folder), "--url", url]
        assert subprocess.run(command, check=False, timeout=300).returncode == -signal.SIGKILL
        assert [*folder.rglob("*.tmp")] != []
        for table in TABLES:
            if (folder / table).exists():
                (counted,) = query(
                    f"SELECT count(*) AS n FROM read_parquet('{folder}/{table}/*/*.parquet')"
                ).to_pylist()
                assert counted["n"] == len(pd.read_parquet(folder / table)) == len(rows_of(folder, table))
    assert run("--to", folder, "--url", url).exit_code == run("--to", other, "--url", url).exit_code == 0
    assert [*folder.rglob("*.tmp")] == []
    for table in TABLES:
        assert rows_of(folder, table) == rows_of(other, table)
    assert (folder / MANIFEST).read_bytes() == (other / MANIFEST).read_bytes()


@pytest.mark.slow
def test_only_the_models_that_were_asked_for_and_may_be_read(tmp_path: Path) -> None:
    state = Exported(tmp_path / "state", 2, ("churn", "fraud"))
    with served(state, state.clock) as url:
        assert run("--to", tmp_path / "all", "--url", url).exit_code == 0
        assert run("--to", tmp_path / "fraud", "--model", "fraud", "--url", url).exit_code == 0
        assert run("--to", tmp_path / "new", "--from", "2024-10-05T00:00:00Z", "--url", url).exit_code == 0
        assert run("--to", tmp_path / "fraud", "--url", url).exit_code == 2
        assert run("--to", tmp_path / "days", "--window", "1d", "--url", url).exit_code == 0
    with served(state, state.clock, access=EverybodyMay("read", models=["churn"])) as url:
        assert run("--to", tmp_path / "churn", "--url", url).exit_code == 0
        refused = run("--to", tmp_path / "x", "--model", "fraud", "--url", url)
    state.leave()
    models = {name: {row["model"] for row in rows_of(tmp_path / name, "windows")} for name in ("all", "fraud", "churn")}
    assert models == {"all": {"churn", "fraud"}, "fraud": {"fraud"}, "churn": {"churn"}}
    assert [one.name for one in (tmp_path / "new/windows").iterdir()] == ["day=2024-10-05"]
    assert (refused.exit_code, "fraud" in refused.output) == (2, True)
    rows = rows_of(tmp_path / "all", "windows")
    for table in ("windows", "drift", "metrics", "verdicts"):
        of_days = [row for row in rows_of(tmp_path / "all", table) if row["window_name"] == "1d"]
        assert rows_of(tmp_path / "days", table) == of_days != []
    day = datetime(2024, 10, 4, tzinfo=UTC).timestamp() * 1e6
    assert [(row["window_name"], row["model"]) for row in rows if row["window_start"] == day] == [
        *(("6h", "churn"), ("6h", "fraud"), ("1d", "churn"), ("1d", "fraud")),
    ]


@pytest.mark.slow
def test_batches_do_not_change_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = Exported(tmp_path / "state", 2, ("churn", "fraud"))
    for name, series, rows in (("whole", 50, 20_000), ("batches", 1, 7)):
        monkeypatch.setattr(result_tables, "SERIES_AT_ONCE", series)
        monkeypatch.setattr(result_tables, "ROWS_AT_ONCE", rows)
        (tmp_path / name).mkdir()
        state.state.queries.results.write(state.state.snapshot.models, date(2024, 10, 5), tmp_path / name)
    state.leave()
    whole, batches = (
        [pq.read_table(file) for file in sorted((tmp_path / name).iterdir())] for name in ("whole", "batches")
    )
    assert [table.num_rows > 0 and table.equals(batch) for table, batch in zip(whole, batches, strict=True)] == [
        True
    ] * 4
    assert pq.read_metadata(tmp_path / "batches/drift.parquet").num_row_groups == 10  # a window is not divided


@pytest.mark.slow
def test_days_of_which_windows_may_have_expired_are_left_alone(three_days: tuple[Exported, str]) -> None:
    state, _ = three_days
    results, keys = state.state.queries.results, [model.key for model in state.state.snapshot.models]
    newest = [*results.revisions(keys)]
    earlier = KEEP_DAYS - 4 * DAY
    state.state.parts.connection.execute(
        "INSERT INTO evaluations SELECT series, name, start - $1, stop - $1, believed, dictionary, blob "
        "FROM evaluations",
        [earlier],
    )
    assert [*results.revisions(keys)] == [result_tables.utc_day(MIDNIGHT + 2 * DAY - earlier), *newest]


@pytest.mark.slow
def test_bad_input_is_one_line(
    three_days: tuple[Exported, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = three_days
    (tmp_path / "file").touch()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / MANIFEST).write_text("[")
    cases: Mapping[tuple[str, ...], str] = {
        ("--to", f"{tmp_path}/file"): f"--to {tmp_path}/file: Not a directory",
        ("--to", f"{tmp_path}/damaged"): f"{MANIFEST} is damaged; remove it",
        ("--to", "results", "--model", "chrun"): "no model 'chrun' has sent predictions; did you mean 'churn'?",
        ("--to", "results", "--window", "7d"): "no model has windows of '7d'; there are 6h, 1d",
        ("--to", "results", "--from", "soon"): "--from: 'soon' is not a time",
        ("--to", "ftp://results"): "--to ftp://results: ",
        ("--to", "file:///proc/1"): "--to file:///proc/1: ",
        ("--to", "results", "--url", "http://127.0.0.1:1"): "no response from http://127.0.0.1:1",
    }
    monkeypatch.chdir(tmp_path)
    for arguments, reason in cases.items():
        done = run("--url", url, *arguments)
        assert (done.exit_code, reason in done.output, done.output.count("\n")) == (2, True, 1), done.output
    assert not (tmp_path / "results").exists()

    def full(_: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("driftline_processor.cli.export.table_folder.os.fsync", full)
    done = run("--url", url, "--to", "results")
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    assert "No space left on device" in done.output
    assert [one for one in tmp_path.rglob("results/**/*") if one.is_file()] == []


LIMITED = """
import resource, signal, sys
from driftline_processor.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
sys.exit(main())
"""


@pytest.mark.slow
def test_a_file_that_may_not_be_written_is_one_line(three_days: tuple[Exported, str], tmp_path: Path) -> None:
    _, url = three_days
    command = [sys.executable, "-c", LIMITED, "export", "--to", str(tmp_path / "results"), "--url", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"driftline: \S+: cannot be written: File too large\n", done.stderr)
    assert [*tmp_path.rglob("*.parquet")] == []


@pytest.mark.slow
def test_a_processor_without_room_for_temporary_files_answers_507(
    three_days: tuple[Exported, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, _ = three_days
    client = TestClient(app_of(state.state, state.clock))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    answer = client.get("/v1/tables/2024-10-04")
    assert (answer.status_code, "cannot be written" in answer.json()["error"]) == (507, True)
    assert client.get("/v1/tables/soon").status_code == 400


@pytest.mark.slow
def test_an_incomplete_archive_is_refused_before_anything_is_written(
    three_days: tuple[Exported, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = three_days
    monkeypatch.setattr("driftline_processor.web.api.tables.TABLES", ["windows", "drift"])
    done = run("--to", tmp_path / "results", "--url", url)
    assert (done.exit_code, done.output) == (
        *(2, f"driftline: {url}: the tables of 2024-10-04 are incomplete; try again\n"),
    )
    assert not (tmp_path / "results").exists()


def read_delta(place: str, table: str) -> pa.Table:
    """Return a table of Delta Lake, as delta-rs reads it."""
    return pytest.importorskip("deltalake").DeltaTable(f"{place}/{table}").to_pyarrow_table()


def read_iceberg(place: str, table: str) -> pa.Table:
    """Return a table of Iceberg, as pyiceberg reads it."""
    catalog, namespace = place.split(".")
    opened = pytest.importorskip("pyiceberg.catalog").load_catalog(catalog).load_table(f"{namespace}.{table}")
    found: pa.Table = opened.scan().to_arrow()
    return found


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configure the catalog ``lake`` of pyiceberg."""
    pytest.importorskip("pyiceberg")
    pytest.importorskip("sqlalchemy")
    (tmp_path / "warehouse").mkdir()
    catalog = {"TYPE": "sql", "URI": f"sqlite:///{tmp_path}/catalog.db", "WAREHOUSE": f"file://{tmp_path}/warehouse"}
    for name, value in catalog.items():
        monkeypatch.setenv(f"PYICEBERG_CATALOG__LAKE__{name}", value)
    settings = pytest.importorskip("pyiceberg.utils.config").Config()  # it reads the environment once a process
    monkeypatch.setattr("pyiceberg.catalog._ENV_CONFIG", settings)


@pytest.fixture(params=["delta", "iceberg"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str, Callable[[str, str], pa.Table]]:
    """A format, a place for tables, and what reads one of them."""
    if request.param == "delta":
        pytest.importorskip("deltalake")
        return "delta", str(tmp_path / "lake"), read_delta
    request.getfixturevalue("catalog")
    return "iceberg", "lake.results", read_iceberg


@pytest.mark.slow
@pytest.mark.usefixtures("catalog")
def test_the_blocks_of_the_page_run(
    twelve_days: tuple[Exported, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, folder = twelve_days
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").symlink_to(folder)
    with served(state, state.clock) as url:
        commands = [shlex.split(line)[1:] for line in re.findall(r"^(driftline .*)$", PAGE, re.MULTILINE)]
        codes = [CliRunner().invoke(app, [*command, "--url", url]).exit_code for command in commands if
                 "s3://" not in " ".join(command)]  # fmt: skip
    assert codes
    assert set(codes) == {0}
    answers = [query(block).to_pylist() for block in re.findall(r"^```sql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]
    assert len(answers) >= 3
    assert all(answers)
    pytest.importorskip("plotly")
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        exec(compile(block, "ask-in-sql.md", "exec"), {})


@pytest.mark.slow
def test_tables_of_a_lake_have_the_rows_of_the_files(
    three_days: tuple[Exported, str], tmp_path: Path, lake: tuple[str, str, Callable[[str, str], pa.Table]]
) -> None:
    state, url = three_days
    kind, to, read = lake
    files = tmp_path / "files"
    state.raise_alert("a1", 1)
    state.raise_alert("a2", 1, resolved=MIDNIGHT + 2 * DAY)

    def exported(place: object, *more: str) -> str:
        done = run("--to", place, "--url", url, *more)
        assert done.exit_code == 0, done.output
        return done.output

    def assert_same() -> None:
        for table in TABLES:
            rows = read(to, table)
            of_files = ds.dataset(files / table, partitioning="hive").to_table()
            assert {*rows.column_names} == {*of_files.column_names}
            names = arrow_schema(table).names
            assert sorted(map(str, rows.select(names).cast(arrow_schema(table)).to_pylist())) == sorted(
                map(str, of_files.select(names).cast(arrow_schema(table)).to_pylist())
            )

    def assert_exported_as_files() -> None:
        words = exported(files).replace(f"{files}:", f"{to}:").replace("files written", "partitions written")
        assert exported(to, "--format", kind) == words

    assert_exported_as_files()
    assert_same()
    assert exported(to, "--format", kind) == f"{to}: no new results, 3 days unchanged\n"
    state.clock.now += DAY
    state.send(outcomes(["1-0", "1-1"], [0, 0], state.clock.now, retracted=True))
    state.settle()
    state.clock.now += DAY
    state.settle()
    state.state.alerts.forget(MIDNIGHT + 3 * DAY)
    assert_exported_as_files()
    assert_same()
    assert sorted(read(to, "alerts")["id"].to_pylist()) == ["a1", "a2"]
    refused = run("--to", to, "--url", url, "--format", kind, "--window", "1d")
    assert (refused.exit_code, "use the same --model and --window" in refused.output) == (2, True)


@pytest.mark.slow
def test_an_export_to_a_lake_that_fails_between_tables_is_finished_by_the_next_one(
    three_days: tuple[Exported, str],
    lake: tuple[str, str, Callable[[str, str], pa.Table]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, url = three_days
    kind, to, read = lake
    replace, left = LakeTables._put, 7  # the five tables of a day, what was exported of it, and one table of the next

    def put(self: LakeTables, table: str, day: str, rows: pa.Table) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise BadInput("the network is gone")
        replace(self, table, day, rows)

    with monkeypatch.context() as failing:
        failing.setattr(LakeTables, "_put", put)
        assert run("--to", to, "--url", url, "--format", kind).exit_code == 2
    assert len(read(to, "exported_days")) == 1
    done = run("--to", to, "--url", url, "--format", kind)
    assert "2 of 3 days changed (2024-10-05 to 2024-10-06), 10 partitions written" in done.output
    windows = read(to, "windows").select(["model", "window_name", "window_start"]).to_pylist()
    assert len({str(row) for row in windows}) == len(windows) == 15


@pytest.mark.slow
def test_a_new_column_of_results_is_added_to_the_tables_of_a_lake(
    tmp_path: Path, lake: tuple[str, str, Callable[[str, str], pa.Table]]
) -> None:
    kind, to, read = lake
    place = open_place(to, cast("Any", kind))
    pq.write_table(pa.table({"model": ["a"]}), tmp_path / "older.parquet")
    pq.write_table(pa.table({"model": ["b"], "new": [1.5]}), tmp_path / "newer.parquet")
    for day, file in (("2026-11-01", "older"), ("2026-11-02", "newer"), ("2026-11-03", "older")):
        place.replace("windows", day, tmp_path / f"{file}.parquet")
    rows = sorted(read(to, "windows").select(["day", "model", "new"]).to_pylist(), key=str)
    assert [tuple(row.values()) for row in rows] == [
        *(("2026-11-01", "a", None), ("2026-11-02", "b", 1.5), ("2026-11-03", "a", None)),
    ]


@pytest.mark.slow
def test_bad_places_of_a_lake_are_one_line(three_days: tuple[Exported, str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, url = three_days
    pytest.importorskip("deltalake")
    pytest.importorskip("pyiceberg")
    cases: Mapping[tuple[str, ...], str] = {
        ("--to", "/proc/1/lake", "--format", "delta"): "--to /proc/1/lake: ",
        ("--to", "results", "--format", "iceberg"): "use CATALOG.NAMESPACE, such as lake.driftline",
        ("--to", "nolake.results", "--format", "iceberg"): "--to nolake.results: ",
        ("--to", "results", "--format", "orc"): "'orc' is not one of",
    }
    for arguments, reason in cases.items():
        done = run("--url", url, *arguments)
        assert (done.exit_code, reason in done.output) == (2, True), done.output
        assert "Traceback" not in done.output
    monkeypatch.setitem(sys.modules, "deltalake", None)
    done = run("--url", url, "--to", "results", "--format", "delta")
    assert (done.exit_code, done.output) == (
        *(2, "driftline: --format delta: deltalake is not installed: pip install deltalake\n"),
    )


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Return the URI of a place in the bucket ``lake`` of a local S3 server."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0)
    server.start()
    for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    host, port = server.get_host_and_port()
    query = S3.format(f"{host}:{port}")
    from pyarrow.fs import FileSystem

    files, path = FileSystem.from_uri(f"s3://lake?{query}&allow_bucket_creation=true")
    files.create_dir(path)
    yield lambda place: f"s3://{place}?{query}"
    server.stop()


@pytest.mark.slow
def test_a_bucket_has_the_files_of_a_directory(
    three_days: tuple[Exported, str], tmp_path: Path, bucket: Callable[[str], str]
) -> None:
    from pyarrow.fs import FileSelector, FileSystem

    _, url = three_days
    to = bucket("lake/results")
    assert run("--to", to, "--url", url).exit_code == run("--to", tmp_path / "here", "--url", url).exit_code == 0
    again = run("--to", to.replace("s3://", "s3://a:b@"), "--url", url)
    assert (again.exit_code, again.output) == (0, f"{to}: no new results, 3 days unchanged\n")
    files, root = FileSystem.from_uri(to)
    found = {
        info.path.removeprefix(f"{root}/"): files.open_input_file(info.path).read()
        for info in files.get_file_info(FileSelector(root, recursive=True))
        if info.is_file
    }
    here = [file for file in (tmp_path / "here").rglob("*") if file.is_file()]
    assert found == {str(file.relative_to(tmp_path / "here")): file.read_bytes() for file in here}
    table = ds.dataset(f"{root}/windows", filesystem=files, partitioning="hive").to_table()
    assert len(table) == len(rows_of(tmp_path / "here", "windows"))
    refused = run("--to", bucket("nolake/results"), "--url", url)
    assert (refused.exit_code, refused.output.count("\n")) == (2, 1)
    assert "bucket 'nolake'" in refused.output
