"""Files of Evidently, whylogs and SageMaker become configurations and baselines; what is left out is named.

``fixtures/evidently-0.7.23.json`` is a report that Evidently saved, and ``whylogs-1.6.4.bin`` a profile of the first
1,500 rows of ``examples/two_files/reference.parquet`` that whylogs wrote. ``statistics.json`` and ``constraints.json``
describe its first 1,000 rows by the schemas of SageMaker's developer guide; no container of SageMaker was run.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from driftline import Baseline
from driftline.panes.bins import CategoryBins, NumberBins
from driftline_extensions.expectation_suites.tool_imports.evidently import read_report
from driftline_extensions.expectation_suites.tool_imports.whylogs_profile import MAGIC, read_profile
from driftline_processor.cli.commands import app
from driftline_processor.config.schema import load
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from tests.support.paths import ROOT

FIXTURES = Path(__file__).parent / "fixtures"
EVIDENTLY, WHYLOGS = FIXTURES / "evidently-0.7.23.json", FIXTURES / "whylogs-1.6.4.bin"
ROWS = ROOT / "examples/two_files/reference.parquet"


def run_import(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["import", *map(str, arguments)])


def baseline_from(tmp_path: Path, file: Path) -> Baseline:
    output = tmp_path / "imported.baseline.json"
    result = run_import(file, "--model", "flights", "-o", output)
    assert result.exit_code == 0, result.stderr
    return Baseline.load(output)


def distance(baseline: Baseline, name: str, rows: int) -> float:
    """Return the Kolmogorov-Smirnov distance between a feature of a baseline and the rows, at the edges of its bins."""
    values = pq.read_table(ROWS)[name].to_numpy()[:rows].astype(np.float64)
    bins = baseline.bins.features[name]
    assert isinstance(bins, NumberBins)
    below = np.array([np.mean(values[~np.isnan(values)] < edge) for edge in bins.edges])
    counts = baseline.pane.parts[f"feature:{name}"][: bins.size]
    return float(np.abs(np.cumsum(counts)[:-1] / counts.sum() - below).max())


def test_a_profile_of_whylogs_becomes_a_baseline_that_equals_the_rows(tmp_path: Path) -> None:
    baseline = baseline_from(tmp_path, WHYLOGS)

    carriers = baseline.bins.features["carrier"]
    assert (baseline.model, baseline.pane.rows) == ("flights", 1_500)
    assert isinstance(carriers, CategoryBins)
    texts = pq.read_table(ROWS)["carrier"].to_pylist()[:1_500]
    expected = [texts.count(name) for name in carriers.categories]
    assert baseline.pane.parts["feature:carrier"][:-3].tolist() == expected
    assert baseline.pane.parts["feature:mixed"].tolist() == [750, 0, 750, 0]  # "x", other, missing, invalid
    assert max(distance(baseline, name, 1_500) for name in ("temp", "distance")) < 0.004


def test_columns_of_mixed_types_are_left_out() -> None:
    result = run_import(WHYLOGS)

    assert "note: left out: it is neither a number nor a text in all rows, or has no sketch" in result.stderr
    assert "note" not in json.loads(result.stdout)["bins"]["features"]


def test_statistics_of_sagemaker_become_a_baseline(tmp_path: Path) -> None:
    baseline = baseline_from(tmp_path, FIXTURES / "statistics.json")

    assert list(baseline.bins.features) == ["temp", "distance", "carrier"]
    assert distance(baseline, "temp", 1_000) < 0.004  # from the sketch
    assert distance(baseline, "distance", 1_000) < 1e-9  # from ten buckets
    assert baseline.bins.features["distance"].size == 10


def test_an_imported_baseline_finds_drift_and_none_in_its_own_rows(tmp_path: Path) -> None:
    baseline_from(tmp_path, WHYLOGS)
    same_rows = tmp_path / "own.parquet"
    pq.write_table(pq.read_table(ROWS).slice(0, 1_500), same_rows)

    states = {}
    for rows in (same_rows, ROOT / "examples/two_files/lastweek.parquet"):
        arguments = ["evaluate", str(rows), "--baseline", str(tmp_path / "imported.baseline.json"), "--json"]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.stderr
        (window,) = json.loads(result.stdout)["windows"]
        states[rows.stem] = {name: feature["state"] for name, feature in window["drift"]["features"].items()}

    assert {states["own"][name] for name in ("temp", "distance", "carrier")} == {"ok"}
    assert states["lastweek"]["temp"] == "drift"


def test_constraints_of_sagemaker_become_expectations(tmp_path: Path) -> None:
    file = tmp_path / "driftline.yaml"
    result = run_import(FIXTURES / "constraints.json", "--model", "flights", "-o", file)

    features = load(file).models["flights"].features
    assert result.exit_code == 0
    assert {name: feature.expect is not None for name, feature in features.items()} == {
        "temp": True, "distance": True, "carrier": True,
    }  # fmt: skip
    assert "range: [0, null]" in file.read_text(encoding="utf-8")
    assert result.stderr.count("left out: ") == 3


def test_thresholds_of_evidently_become_policies_and_methods(tmp_path: Path) -> None:
    file = tmp_path / "driftline.yaml"
    result = run_import(EVIDENTLY, "--model", "flights", "-o", file)

    config = load(file)
    conditions = {name: str(policy.when) for name, policy in config.policies.items()}
    assert result.exit_code == 0
    assert set(conditions) >= {"dataset-drift", "temp-psi", "carrier-js"}
    text = file.read_text(encoding="utf-8")
    assert "when: psi of temp >= 0.2" in text
    assert "when: js of carrier >= 0.1201" in text  # 0.1 to base e
    assert "missing: <= 5%" in text
    assert "its threshold 0.01 is not" in result.stderr


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"type": "evidently:metric_v2:ValueDrift", "column": "a", "method": "ed", "threshold": 1}, "no method 'ed'"),
        ({"type": "evidently:metric_v2:ValueDrift", "column": "a b", "method": "psi", "threshold": 1}, "this name"),
        ({"type": "evidently:metric_v2:ValueDrift", "column": "a", "method": "psi"}, "it has no threshold"),
        ({"type": "evidently:metric_v2:Accuracy", "tests": [{"type": "x", "threshold": 1}]}, "no expectation"),
        (
            {"type": "evidently:metric_v2:MissingValueCount", "share_tests": [{"type": "a:EqualMetricTest"}]},
            "only an upper limit",
        ),
    ],
)
def test_what_evidently_has_and_driftline_has_not_is_named(config: dict[str, Any], reason: str) -> None:
    suite = read_report(json.dumps({"metrics": [{"metric_name": "M", "config": config}]}).encode())

    assert reason in suite.left_out[0].reason


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (b"", (), "is neither JSON nor a profile of whylogs 1.x"),
        (b"[1]", (), "is not a file of Evidently, whylogs or SageMaker that can be imported"),
        (b"{}", ("--from", "evidently"), "is not a report of Evidently 0.7: the key 'metrics' is missing"),
        (b"{}", ("--from", "sagemaker"), "the key 'features' is missing"),
        (b'{"metrics": [{"config": {}}]}', (), "missing required field `metric_name`"),
        (b'{"metrics": []}', (), "has no drift threshold and no test"),
        (b'{"features": [], "dataset": {"item_count": 3}}', (), "has no column with a distribution"),
        (b'{"features": [{"name": 3}]}', (), "Expected `str`, got `int`"),
        (MAGIC, (), "is not a complete profile of whylogs 1.x"),
        (b"WHY2", ("--from", "whylogs"), "it does not begin with 'WHY1'"),
        (b"a,b\n", ("--from", "nannyml"), "use the rows instead: driftline evaluate ANALYSIS --baseline REFERENCE"),
    ],
)
def test_bad_input_is_one_line_with_exit_code_2(
    content: bytes, arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)

    result = run_import(file, *arguments)

    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_a_missing_file_and_an_output_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    missing = run_import(tmp_path / "none.json")
    unwritable = run_import(EVIDENTLY, "-o", tmp_path / "no" / "folder.yaml")

    assert (missing.exit_code, unwritable.exit_code) == (2, 2)
    assert "cannot be read: No such file" in missing.stderr
    assert "cannot be written: No such file" in unwritable.stderr


@given(st.integers(0, WHYLOGS.stat().st_size - 1), st.binary(max_size=3))
def test_a_damaged_profile_is_read_or_refused(place: int, bytes_there: bytes) -> None:
    data = WHYLOGS.read_bytes()
    for damaged in (data[:place], data[:place] + bytes_there + data[place + len(bytes_there) :]):
        try:
            read_profile(damaged)
        except ValueError:
            continue


def test_the_fixture_of_evidently_names_its_tool_by_its_content(tmp_path: Path) -> None:
    renamed = tmp_path / "report"
    shutil.copy(EVIDENTLY, renamed)

    assert run_import(renamed, "--from", "evidently").stdout.startswith("# from report: 8 checks read, 2 left out\n")
