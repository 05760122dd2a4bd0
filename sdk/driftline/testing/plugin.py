"""The pytest plugin: loaded in every pytest of an environment that has Driftline, so it imports nothing but pytest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .capture_result import Capture


@pytest.fixture
def driftline_capture() -> Iterator[Capture]:
    """Keep in memory what the code under test records, with numbered ids and a clock that stands still."""
    from .capture_session import capture

    with capture() as captured:
        yield captured
