"""Versions side by side as JSON, for the API, the pages and the terminal."""

from __future__ import annotations

from typing import Any

from driftline_processor.core.versions.comparison import Comparison
from driftline_processor.core.versions.side_by_side import SideBySide, Version
from driftline_processor.core.wording import iso_time

from .evaluation_json import metric_to_json, picked
from .versions import sentence


def to_json(found: SideBySide) -> dict[str, Any]:
    """Return it as plain JSON values; what is unknown is null, never 0."""
    return {
        "champion": _version_to_json(found.champion),
        "challenger": _version_to_json(found.challenger),
        "role": found.role,
        "start": iso_time(found.start) if found.start else None,
        "end": iso_time(found.end) if found.end else None,
        "pairs": found.pairs,
        "verdict": found.verdict,
        "decided_by": None if found.decides is None else found.decides.loss,
        "sentence": sentence(found),
        "reason": found.reason or None,
        "comparisons": {loss: _comparison_to_json(one) for loss, one in found.comparisons.items()},
    }


def _version_to_json(version: Version) -> dict[str, Any]:
    return {
        "version": version.name,
        "rows": version.rows,
        "outcomes": version.outcomes,
        "metrics": {name: metric_to_json(metric) for name, metric in version.metrics.items()},
    }


def _comparison_to_json(one: Comparison) -> dict[str, Any]:
    told = picked(one, "champion", "challenger", "difference", "low", "high", "confidence", "method", "rows_needed")
    return {**picked(one, "verdict", "paired", "rows"), **told}
