"""Cases of a test that only ``make test-all`` runs, beside those that ``make test`` does, too."""

from __future__ import annotations

from typing import Any

import pytest


def slow(*values: Any, id: str | None = None) -> Any:
    """Return the parameters of a case that is slow: one that says the same of another kind as a case that stays."""
    return pytest.param(*values, marks=pytest.mark.slow, id=id)
