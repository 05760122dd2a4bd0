"""The extra ``demo`` alone brings what every example needs, as after `make example` in a fresh clone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from driftline_processor.demo.examples import example_folders

from tests.support.paths import ROOT

FOLDERS = example_folders()

pytestmark = [pytest.mark.interop, pytest.mark.slow]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment that has the extra alone."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=120)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--editable", f"{ROOT}[demo]"]
    done = subprocess.run(install, capture_output=True, text=True, timeout=1200, check=False)
    if done.returncode:
        pytest.skip(f"the package index cannot be reached: {done.stderr[-300:]}")
    return python


@pytest.mark.parametrize("number", sorted(FOLDERS), ids=[FOLDERS[number].name for number in sorted(FOLDERS)])
def test_an_example_runs_with_the_extra_demo_alone(python: Path, number: int, tmp_path: Path) -> None:
    command = [str(python), "-m", "driftline_processor", "demo", str(number), "--port", str(21_000 + 10 * number)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓" in done.stdout
    assert "✗" not in done.stdout
