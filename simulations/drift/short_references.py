"""What is said of windows without a change if the reference is too short, or has no times, to show how days differ.

A reference with fewer than four windows of the same length, or without times, does not show the normal variation. A
large and significant shift is then drift, and the result says that the days are too few. These rows count how often.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice

from driftline_processor.core.drift.rule import drift

from simulations.drift.dependent_windows import Lasting
from simulations.frame import Figures, Random, Row, Table, markdown, percent

FEATURES, SHARED = 5, (0.05, 0.5)
REFERENCES, HOURS = (7, 14, 30), (24, 48, 168)


def said_of(shared: float, reference: int, hours: int, *, timed: bool) -> Callable[[int, Random], Figures]:
    """Return how often any feature drifts, with a known and with an unknown normal variation."""

    def measure(windows: int, rng: Random) -> Figures:
        world = Lasting(shared, 0.0, reference, (hours,), rows=40, features=FEATURES)
        certain = noted = 0
        for pane, baseline, span in islice(world.windows(rng), windows):
            known = baseline if timed else replace(baseline, extras=replace(baseline.extras, blocks=None))
            columns = [*drift(pane, known, span=span).features.values()]
            reasons = [one.reason for one in columns if one.state == "drift"]
            certain += timed and "" in reasons
            noted += bool(reasons) and not (timed and "" in reasons)
        return {"windows": windows, "certain": certain / windows, "noted": noted / windows}

    return measure


def _rows() -> dict[str, Row]:
    named = {
        f"short-{shared}-{reference}-{hours}": said_of(shared, reference, hours, timed=True)
        for shared in SHARED
        for reference in REFERENCES
        for hours in HOURS
    }
    named |= {f"timeless-{shared}-30-24": said_of(shared, 30, 24, timed=False) for shared in SHARED}
    return {name: Row(name, measure, 200) for name, measure in named.items()}


def text(figures: Mapping[str, Figures]) -> str:
    """Return the table."""
    lines = []
    for name, one in figures.items():
        kind, shared, reference, hours = name.split("-")
        what = f"{float(shared):.0%} of the variance".replace("%", " %")
        days = f"{reference} days" + (" without times" if kind == "timeless" else "")
        lines.append(
            [
                f"`{name}`",
                what,
                days,
                "1 day" if hours == "24" else f"{int(hours) // 24} days",
                percent(one["certain"]),
                percent(one["noted"]),
            ]
        )
    titles = ["row", "days share", "reference", "window", "drift", "drift, although the normal variation is unknown"]
    return markdown(titles, lines)


SHORT = Table("short_references", _rows(), text)
