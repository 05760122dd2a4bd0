"""Each scenario runs as in a process of its own: no pipeline of a test before it is flushed, or used, with its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from driftline import lifecycle, pipelines
from driftline.known import Known


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    """Start without pipelines. Not with ``monkeypatch``, which would then be undone after the fixtures of others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipelines, "_default", None)
        patch.setattr(lifecycle, "PIPELINES", Known())
        patch.setattr(lifecycle, "_closings", [])
        yield
