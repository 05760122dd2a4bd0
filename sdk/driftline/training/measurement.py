"""Resource usage of a training run: CPU time, memory and GPUs of this process and its children.

A thread samples once per second, because memory and GPUs can only be read while the processes run. A
value that the platform does not provide is None, never 0.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driftline.export.threads import try_thread
from driftline.faults import FAULTS

SECONDS_BETWEEN_LOOKS = 1.0
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Measured:
    """The measured values; None if unknown.

    Attributes:
        cpu_seconds: CPU time of this process and its children.
        peak_memory: Maximum resident memory in bytes.
        gpus: Number of GPUs used by this process or its children; 0 for none.
        gpu_type: Type of the first of these; "" for none.
    """

    cpu_seconds: float | None = None
    peak_memory: int | None = None
    gpus: int | None = None
    gpu_type: str = ""


class GpuWatch:
    """The GPUs that some processes use.

    Args:
        nvml: The library; None if it is not installed.
    """

    def __init__(self, nvml: Any) -> None:
        self._nvml, self._used, self._handles = nvml, set[int](), list[Any]()
        if nvml is None:
            return
        try:
            nvml.nvmlInit()
            self._handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        except Exception:  # no driver, or no permission
            self._nvml = None

    def look(self, processes: Iterable[int]) -> None:
        """Record which GPUs these processes use now."""
        if self._nvml is None:
            return
        process_ids = set(processes)
        for index, handle in enumerate(self._handles):
            try:
                running = {process.pid for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(handle)}
            except Exception:  # this GPU does not support it
                continue
            if running & process_ids:
                self._used.add(index)

    def close(self) -> tuple[int | None, str]:
        """Stop; return the number of used GPUs (None without NVML), and their type."""
        if self._nvml is None:
            return None, ""
        kind = self._name(min(self._used)) if self._used else ""
        try:
            self._nvml.nvmlShutdown()
        except Exception:  # the process goes on without
            self._nvml = None
        return len(self._used), kind

    def _name(self, index: int) -> str:
        try:
            name = self._nvml.nvmlDeviceGetName(self._handles[index])
        except Exception:
            return ""
        return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


class Measurement:
    """Measures from its creation until :meth:`close`. No method raises.

    Args:
        nvml: NVML module; None = ``pynvml`` if it is installed.
    """

    def __init__(self, nvml: Any = None) -> None:
        self._stop_event = threading.Event()
        self._began = cpu_seconds_of_tree()
        self._high_water = high_water_mark()
        self._peak = 0
        self._gpus = GpuWatch(nvml or _installed_nvml())
        self._look()
        self._thread = try_thread("driftline-training", self._run)

    def close(self) -> Measured:
        """Stop, and return the measured values."""
        self._stop_event.set()
        if self._thread is not None:
            self._thread.join(5 * SECONDS_BETWEEN_LOOKS)  # wait for the thread, which may be reading the same files
        self._look()
        end = cpu_seconds_of_tree()
        cpu = None if end is None or self._began is None else max(0.0, end - self._began)
        mark = high_water_mark()
        if mark is not None and (self._high_water is None or mark > self._high_water):
            self._peak = max(self._peak, mark)  # the maximum between two samples, if it was reached during the run
        return Measured(cpu, self._peak or None, *self._gpus.close())

    def _run(self) -> None:
        while not self._stop_event.wait(SECONDS_BETWEEN_LOOKS):
            self._look()

    def _look(self) -> None:
        try:
            processes = process_tree()
            self._peak = max(self._peak, sum(resident_memory(pid) for pid in processes))
            self._gpus.look(processes)
        except Exception as error:
            FAULTS.swallow("training measurement", error)


def process_tree() -> list[int]:
    """Return the ids of this process and its running descendants; only its own id if the platform has no /proc."""
    own_id = os.getpid()
    children: dict[int, list[int]] = {}
    for pid, fields in _statuses():
        children.setdefault(int(fields[1]), []).append(pid)
    process_ids, waiting = [], [own_id]
    while waiting:
        pid = waiting.pop()
        process_ids.append(pid)
        waiting += children.get(pid, ())
    return process_ids


def resident_memory(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 if it has ended, or the platform does not provide it."""
    try:
        return int((_PROC / str(pid) / "statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0


def high_water_mark() -> int | None:
    """Return the maximum resident memory of this process so far, in bytes; None if unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes if sys.platform == "darwin" else kilobytes * 1024


def cpu_seconds_of_tree() -> float | None:
    """Return the CPU seconds of this process, of its ended children, and of its running descendants."""
    try:
        times = os.times()
        total = times.user + times.system + times.children_user + times.children_system
        below = set(process_tree()) - {os.getpid()}
        ticks = sum(sum(map(int, fields[11:15])) for pid, fields in _statuses() if pid in below)
        return total + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        return time.process_time()


def _statuses() -> Iterable[tuple[int, list[bytes]]]:
    """Yield each process with its fields from the third on (proc_pid_stat(5)); nothing without /proc."""
    if not _PROC.is_dir():
        return
    for folder in os.scandir(_PROC):
        if folder.name.isdigit():
            try:
                text = Path(folder.path, "stat").read_bytes()
            except OSError:  # the process has ended
                continue
            yield int(folder.name), text.rpartition(b")")[2].split()


def _installed_nvml() -> Any:
    try:
        import pynvml
    except Exception:  # not installed, or its library cannot be loaded
        return None
    return pynvml
