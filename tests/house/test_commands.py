"""The commands say in one sentence what is missing, and `.ci/run` cannot pass without a test."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with nothing but what the commands read."""
    for name in ("scripts/setup.sh", "scripts/frameworks.sh", ".ci/run", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def setup(clone: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(clone / "scripts/setup.sh"), "demo"]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)


def test_an_old_python_is_named(clone: Path) -> None:
    old = executable(clone / "old", '[ "$1" = --version ] && echo "Python 3.9.2" && exit 0; exit 1')

    done = setup(clone, PYTHON=str(old))

    assert done.returncode == 1
    assert done.stderr == (
        "driftline: Python 3.11 or newer is missing (found: Python 3.9.2); install it from "
        "https://www.python.org/downloads/ or name one: make PYTHON=/path/to/python3.12\n"
    )
    assert not (clone / ".venv").exists()


def test_a_python_without_venv_is_named(clone: Path) -> None:
    bare = executable(clone / "bare", 'case "$2" in *ensurepip*) exit 1 ;; esac; exit 0')

    done = setup(clone, PYTHON=str(bare))

    assert done.returncode == 1
    assert done.stderr == (
        f"driftline: {bare} cannot make a virtual environment because its venv or ensurepip module is missing; "
        "on Debian and Ubuntu: apt install python3-venv\n"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("[Errno 111] Connection refused", "no package index can be reached"),
        ("ERROR: Failed building wheel for numpy", "no compiler could build it"),
        ("ERROR: No matching distribution found for duckdb", "No matching distribution found for duckdb"),
    ],
)
def test_what_stops_pip_is_said_in_one_sentence(clone: Path, words: str, sentence: str) -> None:
    executable(clone / ".venv/bin/python", f'[ "$1" = -c ] && exit 0; echo "{words}"; exit 1')

    done = setup(clone)

    assert done.returncode == 1
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_second_setup_takes_no_time_until_pyproject_changes(clone: Path) -> None:
    executable(clone / ".venv/bin/python", f'[ "$1" = -c ] || echo pip >> {clone}/calls; exit 0')
    calls = clone / "calls"

    setup(clone)
    first = calls.read_text().count("pip")
    setup(clone)
    second = calls.read_text().count("pip")
    with (clone / "pyproject.toml").open("a") as file:
        file.write("\n# changed\n")
    setup(clone)

    assert (first, second, calls.read_text().count("pip")) == (2, 2, 4)


PASSED = "===== 812 passed, 3 skipped in 95.21s (0:01:35) ====="


@pytest.mark.parametrize(
    ("closing", "lint", "test", "peers", "status"),
    [
        (PASSED, 0, 0, 0, 0),
        (PASSED, 2, 0, 0, 2),
        ("===== 1 failed, 811 passed in 95.21s (0:01:35) =====", 0, 2, 0, 2),
        (PASSED, 0, 0, 2, 2),
        ("===== no tests ran in 0.01s =====", 0, 2, 0, 2),
        ("===== 3 skipped in 0.01s =====", 0, 0, 0, 1),
    ],
)
def test_ci_passes_only_when_lint_is_clean_and_tests_ran_and_passed(
    clone: Path, closing: str, lint: int, test: int, peers: int, status: int
) -> None:
    executable(
        clone / "bin/make",
        '[ "$1" = environment ] && exit 0\n'
        f'[ "$1" = lint ] && echo "what lint says" && exit {lint}\n'
        f'[ "$1" = interop ] && echo "$2" && exit {peers}\n'
        f'echo "{closing}"; echo "make: ..."; exit {test}',
    )
    environment = {**os.environ, "PATH": f"{clone / 'bin'}:{os.environ['PATH']}"}

    done = subprocess.run([clone / ".ci/run"], capture_output=True, text=True, env=environment, check=False)

    assert done.returncode == status
    assert done.stdout.splitlines()[-1] == closing
    assert "what lint says" in done.stdout.splitlines()
    assert "PEERS=quick" in done.stdout.splitlines()


def test_ci_ends_at_once_where_it_cannot_be_set_up(clone: Path) -> None:
    executable(clone / "bin/make", f'echo "$1" >>{clone / "calls"}; exit 2')
    environment = {**os.environ, "PATH": f"{clone / 'bin'}:{os.environ['PATH']}"}

    done = subprocess.run([clone / ".ci/run"], capture_output=True, text=True, env=environment, check=False)

    assert (done.returncode, (clone / "calls").read_text()) == (2, "environment\n")


@pytest.mark.parametrize(
    ("fails", "if_available", "said", "status", "tested"),
    [
        ("nothing", "1", "", 5, True),
        ("torch", "1", "NOT RUN: the tests of PyTorch: ERROR: none of torch", 5, True),
        ("torch", "", "NOT RUN: the tests of PyTorch: ERROR: none of torch", 1, False),
        ("frameworks", "1", "NOT RUN: the tests of CatBoost, MLflow and PyTorch: ERROR: none of frameworks", 0, False),
        ("frameworks", "", "NOT RUN: the tests of CatBoost, MLflow and PyTorch: ERROR: none of frameworks", 1, False),
    ],
)
def test_frameworks_that_cannot_be_had_are_said_and_never_passed_over(
    clone: Path, fails: str, if_available: str, said: str, status: int, tested: bool
) -> None:
    """Only ``IF_AVAILABLE`` lets the command succeed without them; the tests' own status is the command's."""
    executable(clone / ".venv/bin/python", "exit 0")
    pip = f'case "$*" in *"--group {fails}"*) echo "ERROR: none of {fails}"; exit 1 ;; esac'
    executable(
        clone / ".venv-frameworks/bin/python",
        f'[ "$2" = pytest ] && echo "tested $*" && exit 5\n{pip}\nexit 0',
    )

    done = subprocess.run(
        ["sh", str(clone / "scripts/frameworks.sh"), "--color=no"],
        capture_output=True,
        text=True,
        env={**os.environ, "IF_AVAILABLE": if_available},
        check=False,
    )

    assert done.returncode == status
    assert done.stderr.startswith(said)
    assert bool(done.stderr) == bool(said)
    assert ("tested" in done.stdout, "--color=no" in done.stdout) == (tested, tested)
