"""Pytest plugin. It loads in every pytest run of an environment with Driftline, so it only imports pytest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .capture_result import Capture


@pytest.fixture
def driftline_capture() -> Iterator[Capture]:
    """Keep the predictions of the code under test in memory, with sequential ids and a fixed clock."""
    from .capture_session import capture

    with capture() as captured:
        yield captured
