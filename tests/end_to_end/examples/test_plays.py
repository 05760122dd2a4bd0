"""Every example that runs shows what it promises, as whoever follows its README starts it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from driftline_processor.demo.examples import NOT_RUN, example_folders

FOLDERS = example_folders()


def demo(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "driftline_processor", "demo", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("number", sorted(FOLDERS), ids=[FOLDERS[number].name for number in sorted(FOLDERS)])
def test_what_an_example_promises_is_seen(number: int) -> None:
    done = demo(number)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓" in done.stdout
    assert "✗" not in done.stdout


def test_an_example_that_is_not_there_is_named_with_those_that_are() -> None:
    done = demo(99)
    assert (done.returncode, done.stdout) == (NOT_RUN, "")
    assert done.stderr.startswith("driftline demo 99: there is no example 99; the examples are 0, 1")
