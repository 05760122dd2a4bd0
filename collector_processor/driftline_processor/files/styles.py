"""The colours of what is told: how bad, and whether for the worse."""

from __future__ import annotations

from driftline_processor.core.evaluation import TargetDrift
from driftline_processor.core.performance.names import direction

SEVERITY_STYLES = {"critical": "bold red", "major": "bold yellow", "minor": "yellow"}
_SIZES = {"large": "bold red", "moderate": "bold yellow", "small": "yellow", "": "yellow"}


def state_style(target: TargetDrift) -> str:
    """Return the colour of a state: by its size where it is drift."""
    if target.state == "drift":
        return _SIZES[target.size]
    return "green" if target.state == "ok" else "cyan"


def change_style(name: str, was: float | None, now: float | None) -> str:
    """Return the colour of a metric: what is worse is marked; how sure that is, only an interval could say."""
    if was is None or now is None:
        return ""
    return "yellow" if (now - was) * direction(name) < 0 else ""
