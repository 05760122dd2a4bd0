"""What a training run takes: CPU, memory, GPUs."""
# ruff: noqa: N802 - the names of pynvml

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from driftline.training import measurement
from driftline.training.measurement import GpuWatch, Measurement, cpu_seconds_of_tree, process_tree

from tests.support.unwrap import unwrap

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


class Process(NamedTuple):
    """A process as NVML tells it."""

    pid: int


@dataclass
class Library:
    """Stands for ``pynvml`` over GPUs of which a test says who computes on them."""

    names: list[str | bytes]
    running: list[list[int]] = field(default_factory=list)
    ended: int = 0

    def nvmlInit(self) -> None:
        pass

    def nvmlShutdown(self) -> None:
        self.ended += 1

    def nvmlDeviceGetCount(self) -> int:
        return len(self.names)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetName(self, handle: int) -> str | bytes:
        return self.names[handle]

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Process]:
        return [Process(pid) for pid in self.running[handle]]


def test_gpus_on_which_the_processes_compute_are_counted() -> None:
    library = Library(["A100", b"A100", "T4"], [[7], [], [99]])
    watch = GpuWatch(library)
    watch.look([7, 8])
    library.running[1] = [8]
    watch.look([7, 8])

    assert watch.close() == (2, "A100")
    assert library.ended == 1


def test_without_a_driver_nothing_is_known_of_gpus() -> None:
    class NoDriver(Library):
        def nvmlInit(self) -> None:
            raise RuntimeError("NVML Shared Library Not Found")

    watch = GpuWatch(NoDriver([]))
    watch.look([os.getpid()])

    assert watch.close() == (None, "")
    assert GpuWatch(None).close() == (None, "")


@LINUX
def test_children_belong_to_the_run() -> None:
    code = "import time; start = time.process_time()\nwhile time.process_time() - start < .2: pass"
    before = cpu_seconds_of_tree()
    with subprocess.Popen([sys.executable, "-c", f"{code}\ninput()"], stdin=subprocess.PIPE) as child:
        assert child.pid in process_tree()
        assert os.getppid() not in process_tree()
        child.communicate(b"\n")
    after = unwrap(cpu_seconds_of_tree())

    assert before is not None
    assert 0.18 <= after - before < 5.0  # the system counts in ticks of 10 ms


@LINUX
def test_the_greatest_memory_is_that_of_the_run() -> None:
    running = Measurement(Library([]))
    before = sum(map(measurement.resident_memory, process_tree()))
    held = bytearray(b"x" * 100_000_000)
    running._look()
    found = running.close()

    assert len(held) == 100_000_000
    assert unwrap(found.peak_memory) >= before + 90_000_000
    assert found.gpus == 0


def test_where_the_platform_tells_nothing_the_rest_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "_PROC", tmp_path / "none")
    monkeypatch.setitem(sys.modules, "resource", None)
    found = Measurement(Library([])).close()

    assert process_tree() == [os.getpid()]
    assert found.cpu_seconds is not None
    assert found.peak_memory is None


def test_a_library_that_breaks_while_it_is_loaded_is_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def find_spec(self, name: str, *_: Any) -> None:
            if name == "pynvml":
                raise OSError("libnvidia-ml.so.1")

    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    assert measurement._installed_nvml() is None
