"""Every example that runs shows what it promises, as whoever follows its README starts it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from driftline_processor.demo.examples import NOT_RUN, example_folders
from driftline_processor.demo.processes import is_free

FOLDERS = example_folders()


def command_of(number: int) -> list[str]:
    """Return the command of an example at ports of its own: other tests send to 4318, or want nobody there."""
    blocks = random.sample(range(20_000, 30_000, 4), 50)  # below the ports that a system gives to those who ask for any
    port = next(first for first in blocks if all(is_free(first + offset) for offset in range(4)))
    return [sys.executable, "-m", "driftline_processor", "demo", str(number), "--port", str(port)]


def demo(number: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command_of(number), capture_output=True, text=True, timeout=900, check=False)


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


def processes_in(folder: Path) -> list[str]:
    """Return the command lines of processes that work in a folder, or name it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            works_in = os.readlink(process / "cwd")
        except OSError:  # it has ended, or is somebody else's
            continue
        if str(folder) in works_in or str(folder) in words:
            found.append(words)
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_example_that_is_interrupted_leaves_no_process_and_no_file(tmp_path: Path, ending: signal.Signals) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    # a shell starts what runs in its background with SIGINT ignored
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        running = subprocess.Popen(command_of(4), stdout=subprocess.PIPE, text=True, env=environment)
    finally:
        signal.signal(signal.SIGINT, heard)
    assert running.stdout is not None
    for line in running.stdout:
        if "Replaying" in line:  # the processor and the service are there
            break
    assert [*tmp_path.iterdir()] != []
    assert len(processes_in(tmp_path)) >= 2
    running.send_signal(ending)
    running.communicate(timeout=60)
    assert running.returncode == NOT_RUN
    assert processes_in(tmp_path) == []
    assert [*tmp_path.iterdir()] == []
