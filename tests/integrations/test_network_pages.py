"""The pages of PyTorch, MLflow and ONNX Runtime: their five minutes, run as they stand there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from driftline.columns import strings

from tests.sdk.receiver import Receiver, predictions_of

from .test_documentation import blocks
from .test_zero_code import environment_of

PAGES = {
    "onnxruntime": ["C-17"],
    "mlflow": ["C-17"],
    "torch": ["", "C-17"],
}
"""Ids of the predictions that each page makes; "" where one is made up."""


@pytest.mark.frameworks
@pytest.mark.parametrize("page", ["mlflow", "torch"])
def test_the_five_minutes_of_a_large_framework(tmp_path: Path, receiver: Receiver, page: str) -> None:
    follow(page, tmp_path, receiver)


def test_the_five_minutes_of_onnxruntime(tmp_path: Path, receiver: Receiver) -> None:
    follow("onnxruntime", tmp_path, receiver)


def follow(page: str, folder: Path, receiver: Receiver) -> None:
    pytest.importorskip(page, reason=f"{page} is not installed: make frameworks")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "\n".join([*blocks(page, "python"), "driftline.shutdown()"])],
        env=environment_of(folder, receiver),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    tables = [table for sent in receiver.bodies for table in predictions_of(sent)]
    ids = [text for table in tables for text in strings(table.id)]
    assert [id if id.startswith("C-") else "" for id in ids] == PAGES[page]
    assert all(table.scores is not None and 0 <= table.scores.min() <= table.scores.max() <= 1 for table in tables)
    assert {name for table in tables for name in table.features} >= {"age", "visits"}
    assert "could not be read" not in done.stderr
