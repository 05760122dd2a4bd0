"""What ``driftline.yaml`` may ask of a metric: ``models.NAME.performance.objectives``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

from driftline_processor.core.performance.asked import Objective
from driftline_processor.core.performance.objectives import read_objective
from driftline_processor.core.window import parse

_LIMITS = {"min": "least", "max": "most", "min_change": "least_change", "max_change": "most_change"}
_KEYS = ("metric", *_LIMITS, "window", "rolling")


def objective(written: object) -> Objective:
    """Read ``precision >= 0.95 over 1h``, or ``{metric: precision, min: 0.95, window: 1h}``."""
    if isinstance(written, Objective):
        return written
    if isinstance(written, str):
        return read_objective(written)
    if not isinstance(written, Mapping):
        raise ValueError(f"{written!r:.60} is no objective; write {{metric: precision, min: 0.95}}")
    if unknown := [key for key in written if key not in _KEYS]:
        raise ValueError(f"an objective has no '{unknown[0]}'; known: {', '.join(_KEYS)}")
    limits = {own: written[key] for key, own in _LIMITS.items() if key in written}
    if not isinstance(written.get("metric"), str) or len(limits) != 1:
        raise ValueError(f"{dict(written)!r:.80}: write metric and one of {', '.join(_LIMITS)}")
    (end, limit), window, rolling = *limits.items(), written.get("window", ""), written.get("rolling", False)
    if isinstance(limit, bool) or not isinstance(limit, (int, float)):
        raise ValueError(f"{limit!r:.60} is no number; write {{metric: precision, min: 0.95}}")
    if window:
        parse(str(window))
    if rolling not in (True, False) or (rolling and not window):
        raise ValueError("rolling is true or false, and needs a window: {window: 1h, rolling: true}")
    return Objective(written["metric"], **{end: float(limit)}, window=str(window), rolling=rolling)


Objectives = tuple[Annotated[Objective, BeforeValidator(objective)], ...]
