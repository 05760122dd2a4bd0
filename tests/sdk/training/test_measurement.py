"""What a training run takes: CPU, memory, GPUs, energy."""
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
from driftline.training.measurement import EnergyCounter, GpuWatch, Measurement, cpu_seconds_of_tree, process_tree

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
    millijoules: list[int | None] = field(default_factory=list)
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

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
        found = self.millijoules[handle]
        if found is None:
            raise RuntimeError("Not Supported")
        return found


def rapl(folder: Path, zone: str, microjoules: int, limit: int = 1000) -> Path:
    """Write a zone of energy counters."""
    (folder / zone).mkdir(exist_ok=True)
    (folder / zone / "energy_uj").write_text(f"{microjoules}\n")
    (folder / zone / "max_energy_range_uj").write_text(f"{limit}\n")
    return folder


def test_energy_counters_begin_anew_at_their_limit(tmp_path: Path) -> None:
    rapl(tmp_path, "intel-rapl:0", 900)
    rapl(tmp_path, "intel-rapl:0:0", 5)  # a core, which is in its package already
    rapl(tmp_path, "intel-rapl:1", 100)
    counter = EnergyCounter(tmp_path)
    rapl(tmp_path, "intel-rapl:0", 50)
    rapl(tmp_path, "intel-rapl:1", 400)
    counter.look()
    rapl(tmp_path, "intel-rapl:0", 60)
    counter.look()

    assert counter.joules == pytest.approx((150 + 300 + 10) * 1e-6)


def test_counters_that_cannot_be_read_are_unknown_and_not_zero(tmp_path: Path) -> None:
    (tmp_path / "intel-rapl:0").mkdir()

    assert EnergyCounter(tmp_path).joules is None
    assert EnergyCounter(tmp_path / "nowhere").joules is None


def test_gpus_on_which_the_processes_compute_are_counted_with_their_energy() -> None:
    library = Library(["A100", b"A100", "T4"], [[7], [], [99]], [1000, 1000, 1000])
    watch = GpuWatch(library)
    watch.look([7, 8])
    library.running[1] = [8]
    watch.look([7, 8])
    library.millijoules = [61_000, 31_000, 500_000]

    assert watch.close() == (2, "A100", 90.0)
    assert library.ended == 1


def test_a_gpu_that_tells_no_energy_makes_the_whole_unknown() -> None:
    library = Library([b"K80", b"K80"], [[7], [7]], [1000, None])
    watch = GpuWatch(library)
    watch.look([7])

    assert watch.close() == (2, "K80", None)


def test_without_a_driver_nothing_is_known_of_gpus() -> None:
    class NoDriver(Library):
        def nvmlInit(self) -> None:
            raise RuntimeError("NVML Shared Library Not Found")

    watch = GpuWatch(NoDriver([]))
    watch.look([os.getpid()])

    assert watch.close() == (None, "", None)
    assert GpuWatch(None).close() == (None, "", None)


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
    assert 0.2 <= after - before < 5.0


@LINUX
def test_the_greatest_memory_is_that_of_the_run(tmp_path: Path) -> None:
    running = Measurement(Library([]), tmp_path)
    before = sum(map(measurement.resident_memory, process_tree()))
    held = bytearray(b"x" * 100_000_000)
    running._look()
    found = running.close()

    assert len(held) == 100_000_000
    assert unwrap(found.peak_memory) >= before + 90_000_000
    assert (found.gpus, found.energy) == (0, None)


def test_where_the_platform_tells_nothing_the_rest_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "_PROC", tmp_path / "none")
    monkeypatch.setitem(sys.modules, "resource", None)
    found = Measurement(Library([]), tmp_path).close()

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
