"""Each scenario runs as in a process of its own: no pipeline of a test before it is flushed, or used, with its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from driftline.capture.call_plan import LiveObjects
from driftline.export import lifecycle, pipeline


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    """Start without pipelines. Not with ``monkeypatch``, which would then be undone after the fixtures of others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "_default", None)
        patch.setattr(lifecycle, "PIPELINES", LiveObjects())
        patch.setattr(lifecycle, "_closings", [])
        yield
