"""Every docstring example runs as in a process of its own; those of integrations where their framework is installed."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from driftline import lifecycle
from driftline.known import Known
from driftline.pipelines import SILENT
from driftline.unrecorded import UNRECORDED
from driftline.unusable import UNUSABLE

NEED_TORCH = ["torch.py", "device.py"]
collect_ignore = [] if find_spec("torch") else [f"integrations/driftline_integrations/{name}" for name in NEED_TORCH]


@pytest.fixture(autouse=True)
def _as_in_a_process_of_its_own(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an example record nothing (no thread, no request), and find nothing that a test before it left behind."""
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
        monkeypatch.setattr(lifecycle, "PIPELINES", Known())
        monkeypatch.setattr(lifecycle, "_closings", [])
        lifecycle.remember(SILENT)
        UNRECORDED.drain()
        UNUSABLE.drain()
