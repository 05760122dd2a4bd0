"""`driftline spark evaluate` on tables of Delta and Iceberg, which Spark itself has written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.paths import ROOT

from .spark_peers import skip_without_java
from .test_spark_evaluate import DAYS, OPTIONS, driftline, figures, lake

__all__ = ["lake"]  # the fixture

pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("default")]  # pyspark's own

WRITE = """
rows = spark.read.parquet("rows.parquet")
{write}
"""
COUNT = """
windows = spark.read.format("{kind}").load("{windows}")
print("windows", windows.count(), windows.select("day").distinct().count())
"""
SESSION = """
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[2]")
for key, value in {settings}.items():
    builder = builder.config(key, value)
spark = builder.getOrCreate()
"""


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


def run(folder: Path, settings: dict[str, str], script: str) -> str:
    """Run a script with a session; return what it printed."""
    command = [sys.executable, "-c", SESSION.format(settings=settings) + script]
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_figures_are_those_of_a_file_and_results_replace_those_of_the_run_before(
    kind: str, lake: Path, tmp_path: Path
) -> None:
    skip_without_java()
    jars = [str(path) for path in (ROOT / ".peers" / kind).glob("*.jar")]
    if not jars:
        pytest.skip(f"Spark's connector for {kind} is not installed; `make interop` fetches it where there is Maven")
    place = format_of(kind, tmp_path)
    settings = {
        "spark.jars": ",".join(jars),
        "spark.driver.memory": "1g",
        "spark.ui.enabled": "false",
        **place.settings,
    }
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
