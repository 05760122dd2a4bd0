"""Every docstring example runs as in a process of its own; those of integrations where their framework is installed."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from _pytest.doctest import DoctestModule
from driftline.capture.call_plan import LiveObjects
from driftline.export import lifecycle
from driftline.export.pipeline import SILENT
from driftline.loss_counters import UNRECORDED, UNUSABLE
from driftline_processor import process_memory

NEED_TORCH = ["torch.py"]
collect_ignore = [] if find_spec("torch") else [f"integrations/driftline_integrations/{name}" for name in NEED_TORCH]
if not find_spec("airflow"):
    of_airflow = ("hook", "operators", "sensors", "triggers", "versions")
    collect_ignore += [f"integrations/driftline_integrations/airflow/{name}.py" for name in of_airflow]
    collect_ignore.append("tests/interop/airflow_dags.py")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Look for examples in files that have one: to import and search all others took each worker several seconds."""
    collectors = yield
    if any(isinstance(one, DoctestModule) for one in collectors) and b">>> " not in file_path.read_bytes():
        return [one for one in collectors if not isinstance(one, DoctestModule)]
    return collectors


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count the examples that need PyTorch among what ``make frameworks`` runs."""
    for item in items:
        if isinstance(item, pytest.DoctestItem) and item.path.name in NEED_TORCH:
            item.add_marker("frameworks")


@pytest.fixture(autouse=True, scope="session")
def _memory_of_a_processor() -> Iterator[None]:
    """Let no ceiling count what thousands of tests have left in this process: a processor would refuse to begin."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process_memory, "resident", lambda: 0)
        yield


@pytest.fixture(autouse=True)
def _as_in_a_process_of_its_own(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let an example record nothing (no thread, no request), and find nothing that a test before it left behind.

    Not with ``monkeypatch``: asked for here it would be set up before, and so undone after, the fixtures of all tests.
    """
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_SDK_DISABLED", "true")
        patch.setattr(lifecycle, "PIPELINES", LiveObjects())
        patch.setattr(lifecycle, "_closings", [])
        lifecycle.register_pipeline(SILENT)
        UNRECORDED.drain()
        UNUSABLE.drain()
        yield
