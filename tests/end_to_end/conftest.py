"""Whole processes take long: ``make test`` leaves out all of them but the short one."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
SHORT = FOLDER / "test_short.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as slow, but the short one."""
    for item in items:
        if item.path.is_relative_to(FOLDER) and item.path != SHORT:
            item.add_marker("slow")
