"""The number of processes is that of the cores that this one may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from driftline_processor.evaluation.processes.cores import MOST_AUTOMATIC, judging_processes, usable_cores


@pytest.mark.parametrize(("said", "cores"), [("150000 100000", 1), ("50000 100000", 1), ("200000 100000", 2)])
def test_the_limit_of_a_container_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    (tmp_path / "cpu.max").write_text(f"{said}\n")
    assert usable_cores(tmp_path / "cpu.max") == cores


@pytest.mark.parametrize("said", ["max 100000", "", "rubbish"])
def test_without_a_limit_all_cores_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    (tmp_path / "cpu.max").write_text(said)
    assert usable_cores(tmp_path / "cpu.max") == 64
    assert usable_cores(tmp_path / "none") == 64


def test_automatic_is_bounded_and_a_number_is_not() -> None:
    assert judging_processes("auto", cores=64) == MOST_AUTOMATIC - 1
    assert judging_processes(1, cores=64) == 0
    assert judging_processes(9, cores=1) == 8
