"""The gate that teams copy lets an equal candidate pass and stops a worse one: its workflow's command, its pytest."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from driftline_processor.cli.commands import app
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

from tests.support.facts import lacking
from tests.support.paths import ROOT

GATE = ROOT / "otel-config/github"
WORKFLOW, PYTEST = GATE / "deployment_gate.yml", GATE / "test_candidate.py"

# what the candidate is trained on → whether it may be deployed
CANDIDATES = pytest.mark.parametrize(("columns", "passes"), [(slice(10, None), True), (slice(0, 1), False)])


@pytest.fixture
def candidate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: slice) -> Path:
    """Write the predictions of both versions for the same held-out rows."""
    features, benign = load_breast_cancer(return_X_y=True, as_frame=True)
    train, held_out, train_benign, actual = train_test_split(features, benign, test_size=0.5, random_state=0)
    for name, used in (("champion", slice(None)), ("candidate", columns)):
        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(train.iloc[:, used], train_benign)
        rows = held_out.assign(score=model.predict_proba(held_out.iloc[:, used])[:, 1], actual=actual)
        rows.assign(id=[f"tumour-{row}" for row in held_out.index]).to_parquet(
            tmp_path / f"{name}.parquet", index=False
        )
    monkeypatch.chdir(tmp_path)
    return tmp_path / "candidate.parquet"


def command() -> list[str]:
    steps: list[dict[str, Any]] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["gate"]["steps"]
    (line,) = (step["run"] for step in steps if step.get("run", "").startswith("driftline "))
    return shlex.split(line)[1:]


@CANDIDATES
def test_the_command_of_the_workflow(candidate: Path, passes: bool) -> None:
    result = CliRunner().invoke(app, command(), env={"COLUMNS": "200"})
    assert result.exit_code == (0 if passes else 3), result.stderr
    assert "the candidate" in candidate.with_name("gate.html").read_text(encoding="utf-8")
    sentence = "cannot be distinguished from the champion yet" if passes else "is worse than the champion"
    assert lacking(result.stdout, "Candidate and champion", f"the candidate {sentence}: error rate") == []


@pytest.mark.slow
@CANDIDATES
def test_the_pytest_file(candidate: Path, passes: bool) -> None:
    arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(candidate.parent), str(PYTEST))
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == (0 if passes else 1), done.stdout
    assert ("is worse than the champion" in done.stdout) == (not passes)


def test_the_page_shows_both_files() -> None:
    page = (ROOT / "docs/files/pipelines.md").read_text(encoding="utf-8")
    assert [path.name for path in (WORKFLOW, PYTEST) if path.read_text(encoding="utf-8").strip() not in page] == []
