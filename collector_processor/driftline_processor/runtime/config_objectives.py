"""What ``driftline.yaml`` may ask of a metric: ``models.NAME.performance.objectives``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

from driftline_processor.core.performance.objective import Objective, checked, read_objective

_LIMITS = ("min", "max", "min_change", "max_change")
_COUNTS = ("min_rows", "alert_after")
_KEYS = ("metric", *_LIMITS, "slice", "window", "rolling", *_COUNTS)


def objective(written: object) -> Objective:
    """Read ``precision >= 0.95 in country=NL over 1h``, or ``{metric: precision, min: 0.95, slice: country}``."""
    if isinstance(written, Objective):
        return written
    if isinstance(written, str):
        return read_objective(written)
    if not isinstance(written, Mapping):
        raise ValueError(f"{written!r:.60} is no objective; write {{metric: precision, min: 0.95}}")
    if unknown := [key for key in written if key not in _KEYS]:
        raise ValueError(f"an objective has no '{unknown[0]}'; known: {', '.join(_KEYS)}")
    limits = {key: written[key] for key in _LIMITS if key in written}
    if not isinstance(written.get("metric"), str) or len(limits) != 1:
        raise ValueError(f"{dict(written)!r:.80}: write metric and one of {', '.join(_LIMITS)}")
    for limit in limits.values():
        if isinstance(limit, bool) or not isinstance(limit, (int, float)):
            raise ValueError(f"{limit!r:.60} is no number; write {{metric: precision, min: 0.95}}")
    least, most, least_change, most_change = (limits.get(key) for key in _LIMITS)
    window, rolling = written.get("window", ""), written.get("rolling", False)
    if rolling not in (True, False) or (rolling and not window):
        raise ValueError("rolling is true or false, and needs a window: {window: 1h, rolling: true}")
    slice = written.get("slice", "")
    if not isinstance(slice, str):
        raise ValueError(f"{slice!r:.60} is no slice; write slice: country=NL, or slice: country for each country")
    for name in _COUNTS:
        if name in written and not (type(written[name]) is int and written[name] >= 1):
            raise ValueError(f"{name}: {written[name]!r:.60} is no count; write 1 or more")
    found = Objective(
        written["metric"], least, most, least_change, most_change, window=str(window), rolling=rolling,
        **{name: written[name] for name in _COUNTS if name in written},
    )  # fmt: skip
    return checked(found, slice)


Objectives = tuple[Annotated[Objective, BeforeValidator(objective)], ...]
