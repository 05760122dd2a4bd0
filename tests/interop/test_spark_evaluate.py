"""`driftline spark evaluate` beside `driftline evaluate` on the same rows, as their users run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.cli.export.places import open_place
from driftline_processor.present.result_schema import arrow_schema

from tests.support import scored_topics
from tests.support.paths import ROOT
from tests.support.scored_topics import baseline_of, days_ago

from .peers import eventually
from .spark_peers import Processor, skip_without_java

pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("default")]  # pyspark's own

ROWS, DAYS, START = 200_000, 8, 1_793_491_200  # 2026-11-01T00:00:00Z
FEATURES = ("age", "balance", "plan")


WRITE = """
rows = spark.read.parquet("rows.parquet")
{write}
"""
COUNT = """
windows = spark.read.format("{kind}").load("{windows}")
print("windows", windows.count(), windows.select("day").distinct().count())
"""
TYPES = """
kept = windows.select("window_start", "rows", "coverage", "day")
print(*(f"{name}={type}" for name, type in kept.dtypes))
print("starts", int(kept.first().window_start.timestamp()))
"""
SESSION = """
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[2]")
for key, value in {settings}.items():
    builder = builder.config(key, value)
spark = builder.getOrCreate()
"""


def scored(rows: int, seed: int) -> pa.Table:
    """Return rows of eight days; from the fifth day on, ages are higher and the model is worse."""
    random = np.random.default_rng(seed)
    day = np.sort(random.uniform(0, DAYS, rows))
    later = day >= 5
    score = random.uniform(size=rows)
    wrong = later & (random.uniform(size=rows) < 0.3)
    return pa.table(
        {
            "at": pa.array(((START + day * 86_400) * 1e6).astype(np.int64), pa.timestamp("us", "UTC")),
            "age": random.normal(40 + 6 * later, 10),
            "balance": random.lognormal(5, 1, rows),
            "plan": random.choice(["basic", "plus", "pro"], rows),
            "p": score,
            "y": ((random.uniform(size=rows) < score) ^ wrong).astype(int),
        }
    )


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    skip_without_java()
    folder = tmp_path_factory.mktemp("lake")
    before = scored(20_000, 1)
    first = before.filter(pa.array(np.asarray(before["at"].cast(pa.int64())) < (START + 5 * 86_400) * 10**6))
    columns = {name: np.asarray(first[name]) for name in (*FEATURES, "p", "y")}
    baseline = Baseline.from_frame(columns, score="p", actual="y", model="churn", version="1", task="binary")
    baseline.save(folder / "churn.baseline.json")
    rows = scored(ROWS, 2)
    (folder / "scored").mkdir()
    for part in range(4):
        pq.write_table(rows.slice(part * ROWS // 4, ROWS // 4), folder / "scored" / f"part-{part}.parquet")
    pq.write_table(rows, folder / "rows.parquet")
    return folder


def driftline(folder: Path, *arguments: str, code: int = 0) -> str:
    """Run the command in a folder; return what it printed."""
    return python(folder, "-m", "driftline_processor", *arguments, code=code)


def python(folder: Path, *arguments: str, code: int = 0) -> str:
    """Run Python in a folder; return what it printed, on stderr if it fails as expected."""
    command = [sys.executable, *arguments]
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == code, done.stderr[-3000:]
    return done.stdout if code == 0 else done.stderr


def figures(value: Any, path: str = "") -> dict[str, Any]:
    """Return the numbers and texts of JSON by their path."""
    if isinstance(value, dict):
        return {key: one for name, each in value.items() for key, one in figures(each, f"{path}/{name}").items()}
    if isinstance(value, list):
        return {key: one for place, each in enumerate(value) for key, one in figures(each, f"{path}/{place}").items()}
    return {path: value}


OPTIONS = ("--baseline", "churn.baseline.json", "--time", "at", "--window", "1d", "--slices", "plan")


def test_states_and_figures_are_those_of_the_same_rows_in_a_file(lake: Path) -> None:
    arguments = ("spark", "evaluate", "scored", *OPTIONS, "--master", "local[2]", "--conf", "spark.driver.memory=1g")
    chosen = ("--threshold", "0.4", "--objectives", "recall >= 0.9", "--method", "age=cramer_von_mises", "--json")
    of_spark = json.loads(driftline(lake, *arguments, *chosen, "--to", str(lake / "results")))
    of_file = json.loads(driftline(lake, "evaluate", "rows.parquet", *OPTIONS, *chosen))
    assert of_spark["sample"] == {"rows": 20_000, "total": ROWS}
    assert len(of_spark["windows"]) == DAYS
    one, other = (figures(answer["windows"]) for answer in (of_spark, of_file))
    states = {path for path in one if path.endswith("/state")}
    assert len(states) > 200
    assert {path: one[path] for path in states} == {path: other[path] for path in states}
    assert any("/objectives/" in path for path in states)
    drift = {path for path in one if "/features/" in path and path.endswith("/value")}
    assert len(drift) > 40
    for path in drift | {path for path in one if path.endswith(("/accuracy/value", "/brier/value", "/log_loss/low"))}:
        assert one[path] == (other[path] and pytest.approx(other[path], rel=1e-9)), path

    rows = duckdb.execute(
        f"SELECT window_start, value, low, high, rows FROM read_parquet('{lake}/results/metrics/*/*.parquet', "
        "hive_partitioning = true) WHERE metric = 'accuracy' AND basis = 'realized' AND slice = '' ORDER BY ALL"
    ).fetchall()
    shown = [window["performance"]["realized"]["accuracy"] for window in of_spark["windows"]]
    assert [row[1:] for row in rows] == [(each["value"], each["low"], each["high"], each["rows"]) for each in shown]
    tables = {folder.name for folder in (lake / "results").iterdir()}
    assert tables == {"windows", "drift", "metrics", "verdicts"}
    count = f"SELECT count(*), count(DISTINCT day) FROM read_parquet('{lake}/results/NAME/*/*.parquet')"
    for name in ("windows", "verdicts"):
        assert duckdb.execute(count.replace("NAME", name)).fetchall() == [(DAYS, DAYS)]
    assert "from 20,000 of 200,000 rows" in driftline(lake, *arguments)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("scored", *OPTIONS, "--score", "nothing"), "the table has no column 'nothing'"),
        (("nowhere", *OPTIONS), "nowhere"),
        (("scored", "--baseline", "churn.baseline.json"), "--time"),
        (("scored", *OPTIONS, "--to", "/dev/null/results"), "--to /dev/null/results: "),
    ],
)
def test_bad_input_is_one_line(lake: Path, arguments: tuple[str, ...], line: str) -> None:
    text = driftline(lake, "spark", "evaluate", *arguments, "--master", "local[1]", code=2)
    [told] = [one for one in text.splitlines() if one.startswith("Error") or line in one][-1:]
    assert line in told


def test_the_panes_of_a_table_are_sent_to_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_without_java()
    start = days_ago(4)
    baseline, frame = baseline_of(scored_topics.scored(5_000, start, 24, 1)), scored_topics.scored(3_000, start, 48, 2)
    baseline.save(tmp_path / "churn.json")
    times = pa.array(frame["at"] // 1000, pa.timestamp("us", "UTC"))
    columns = {name: frame[name] for name in ("age", "balance", "visits", "p", "y", "region")}
    has_outcome = frame["at"] < start + 24 * scored_topics.HOUR
    early = pa.array(frame["y"], mask=~has_outcome)
    pq.write_table(pa.table({**columns, "y": early, "at": times}), tmp_path / "monday.parquet")
    pq.write_table(pa.table({**columns, "at": times}), tmp_path / "tuesday.parquet")
    processor = Processor(tmp_path / "up", baseline)
    processor.start()
    try:
        monkeypatch.setenv("DRIFTLINE_ENDPOINT", processor.endpoint)
        local = ("--master", "local[2]", "--conf", "spark.driver.memory=700m")
        common = ("--baseline", "churn.json", "--time", "at", "--slices", "region", "--source", "nightly", *local)
        first = driftline(tmp_path, "spark", "send", "monday.parquet", *common, "--epoch", "20261123")
        assert first.endswith(" panes new, 0 replaced, 0 unchanged, 0 superseded by a later epoch, 0 refused\n")
        eventually(processor.model, lambda model: model.get("rows") == 3_000)
        assert processor.model()["outcomes"] == has_outcome.sum()
        second = driftline(tmp_path, "spark", "send", "tuesday.parquet", *common, "--epoch", "20261124")
        assert second.startswith("0 panes new, ")
        assert f"{first.split()[0]} replaced" in second
        eventually(processor.model, lambda model: (model.get("rows"), model.get("outcomes")) == (3_000, 3_000))
    finally:
        processor.process.stop()


class Lake(NamedTuple):
    """A format of tables: settings of Spark, and the names of a table and of results."""

    settings: dict[str, str]
    table: str
    results: str
    windows: str
    write: str


def format_of(kind: str, folder: Path) -> Lake:
    if kind == "delta":
        settings = {
            "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
            "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        }
        places = f"{folder}/table", f"{folder}/results", f"{folder}/results/windows"
        return Lake(settings, *places, f'rows.write.format("delta").save("{folder}/table")')
    settings = {
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.type": "hadoop",
        "spark.sql.catalog.lake.warehouse": f"{folder}/warehouse",
    }
    return Lake(
        settings, "lake.db.scored", "lake.results", "lake.results.windows", 'rows.writeTo("lake.db.scored").create()'
    )


def settings_of(kind: str, place: Lake) -> dict[str, str]:
    """Return the settings of a session that can read and write a format, or skip."""
    skip_without_java()
    jars = [str(path) for path in (ROOT / ".peers" / kind).glob("*.jar")]
    if not jars:
        pytest.skip(f"Spark's connector for {kind} is not installed; `make interop` fetches it where there is Maven")
    return {
        "spark.jars": ",".join(jars),
        "spark.driver.memory": "1g",
        "spark.ui.enabled": "false",
        **place.settings,
    }


def run(folder: Path, settings: dict[str, str], script: str) -> str:
    """Run a script with a session; return what it printed."""
    return python(folder, "-c", SESSION.format(settings=settings) + script)


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_figures_are_those_of_a_file_and_results_replace_those_of_the_run_before(
    kind: str, lake: Path, tmp_path: Path
) -> None:
    place = format_of(kind, tmp_path)
    settings = settings_of(kind, place)
    run(lake, settings, WRITE.format(write=place.write))
    conf = [word for key, value in settings.items() for word in ("--conf", f"{key}={value}")]
    arguments = ("spark", "evaluate", place.table, "--format", kind, *OPTIONS, "--json", "--master", "local[2]", *conf)
    first, second = (json.loads(driftline(lake, *arguments, "--to", place.results)) for _ in range(2))
    assert first == second
    of_file = figures(json.loads(driftline(lake, "evaluate", "rows.parquet", *OPTIONS, "--json"))["windows"])
    of_lake = figures(first["windows"])
    accuracies = [path for path in of_lake if path.endswith("/accuracy/value")]
    assert len(accuracies) >= DAYS
    for path, value in of_lake.items():
        if path.endswith("/state"):
            assert value == of_file[path], path
    for path in accuracies:
        assert of_lake[path] == (of_file[path] and pytest.approx(of_file[path], rel=1e-9)), path
    counts = run(lake, settings, COUNT.format(kind=kind, windows=place.windows))
    assert f"windows {DAYS} {DAYS}" in counts


def test_spark_reads_the_delta_tables_of_an_export(tmp_path: Path) -> None:
    pytest.importorskip("deltalake")
    place = format_of("delta", tmp_path)
    settings = settings_of("delta", place)
    schema = arrow_schema("windows")
    export = open_place(place.results, "delta")
    for day, rows in (("2026-11-01", 2), ("2026-11-02", 3), ("2026-11-01", 1)):
        example: dict[pa.DataType, Any] = {pa.string(): "a", pa.int64(): 7, pa.float64(): 0.5}
        row = {column.name: example.get(column.type, START * 1_000_000) for column in schema}
        pq.write_table(pa.Table.from_pylist([row] * rows, schema), tmp_path / "windows.parquet")
        export.replace("windows", day, tmp_path / "windows.parquet")
    answer = run(tmp_path, settings, COUNT.format(kind="delta", windows=place.windows) + TYPES)
    assert "windows 4 2" in answer
    assert "window_start=timestamp rows=bigint coverage=double day=string" in answer
    assert f"starts {START}" in answer
