"""The pages of PyTorch, MLflow and ONNX Runtime: their five minutes, run as they stand there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from driftline.tables.column_codec import strings

from tests.support.paths import code_blocks
from tests.support.receiver import Receiver, predictions_of
from tests.support.zero_code import environment_of

PAGES = {
    "onnxruntime": ["C-17"],
    "mlflow": ["C-17"],
    "torch": ["", "C-17"],
}
"""Ids of the predictions that each page makes; "" where one is made up."""


@pytest.mark.frameworks
def test_the_five_minutes_of_torch(tmp_path: Path, receiver: Receiver) -> None:
    follow("torch", tmp_path, receiver)


@pytest.mark.frameworks
def test_the_five_minutes_of_mlflow_and_the_baseline_that_they_log(tmp_path: Path, receiver: Receiver) -> None:
    address = follow("mlflow", tmp_path, receiver).split()[-1]
    assert address.startswith("runs:/")
    show = [sys.executable, "-W", "ignore", "-m", "driftline_processor", "baseline", "show", address]
    environment = environment_of(tmp_path, receiver)
    done = subprocess.run(show, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False)

    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in ("churn", "4 rows", "age", "visits")), done.stdout


@pytest.mark.slow
def test_the_five_minutes_of_onnxruntime(tmp_path: Path, receiver: Receiver) -> None:
    follow("onnxruntime", tmp_path, receiver)


def follow(page: str, folder: Path, receiver: Receiver) -> str:
    """Run all of a page's Python in one process; return what it prints."""
    pytest.importorskip(page, reason=f"{page} is not installed: make frameworks")
    # MLflow looks for what a model imports in a process of its own; what its flavour says is enough here.
    environment = {**environment_of(folder, receiver), "MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "\n".join([*code_blocks(page, "python"), "driftline.shutdown()"])],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    tables = [table for sent in receiver.bodies for table in predictions_of(sent)]
    ids = [text for table in tables for text in strings(table.id)]
    assert [id if id.startswith("C-") else "" for id in ids] == PAGES[page]
    assert all(table.scores is not None and 0 <= table.scores.min() <= table.scores.max() <= 1 for table in tables)
    assert {name for table in tables for name in table.features} >= {"age", "visits"}
    assert "could not be read" not in done.stderr
    return done.stdout
