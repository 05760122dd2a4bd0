"""Shares over windows of time: how many outcomes are known, and how many values are missing."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.present.numbers import many, percent
from driftline_processor.present.times import range_ticks, window_name

from . import svg

WIDTH, HEIGHT = 720.0, 150.0
LEFT, TOP, BOTTOM = 40.0, 10.0, 122.0


def outcome_coverage(shown: Sequence[Evaluation], chosen: Evaluation | None, timezone: str) -> Markup | None:
    """Draw the share of predictions whose outcome is known, a bar a window; None where no outcome is known.

    A dashed line is the share that the label SLA asks for.
    """
    if not any(one.outcome_rows for one in shown):
        return None
    step = (WIDTH - LEFT) / max(len(shown), 8)
    gap = step * 0.08 if len(shown) <= 200 else 0.0

    def y(share: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * share

    marks = []
    for share in (0.0, 0.5, 1.0):
        marks += [
            svg.line(LEFT, y(share), WIDTH, y(share), "grid"),
            svg.text(LEFT - 5, y(share) + 3.5, f"{share:.0%}".replace("%", " %"), "axis", "end"),
        ]
    for place, one in enumerate(shown):
        x, share = LEFT + place * step, one.coverage or 0.0
        rows = many(one.rows, "prediction")
        said = f"{window_name(one.window, timezone)}: outcomes of {percent(one.coverage)} of {rows}"
        if one is chosen:
            marks.append(svg.rect(x, TOP - 4, step, BOTTOM - TOP + 8, "chosen"))
        css = "coverage" if one.closed else "coverage open"
        marks.append(svg.rect(x + gap, y(share), step - 2 * gap, BOTTOM - y(share), css))
        marks.append(svg.rect(x, TOP, step, BOTTOM - TOP, "hover", said))
    agreed = next((one.label_sla.coverage for one in reversed(shown) if one.label_sla), None)
    if agreed is not None:
        marks.append(svg.line(LEFT, y(agreed), WIDTH, y(agreed), "was"))
    ticks = range_ticks(shown[0].window, shown[-1].window, timezone)
    marks.append(svg.text(LEFT, HEIGHT - 8, ticks[0], "axis"))
    if len(shown) > 1:
        end = LEFT + len(shown) * step
        marks.append(svg.text(end, HEIGHT - 8, ticks[1], "axis", "end"))
    return svg.picture(WIDTH, HEIGHT, marks, "share of predictions with an outcome, by window", "chart coverages")


def share_line(shares: Sequence[float | None], name: str) -> Markup:
    """Draw shares over windows as small bars; one that is not known is left out."""
    step = 160 / max(len(shares), 12)
    left = 160 - step * len(shares)
    most = max((share for share in shares if share is not None), default=0.0) or 1.0
    marks = [svg.line(0, 31, 160, 31, "grid")]
    for place, share in enumerate(shares):
        if share:
            marks.append(svg.rect(left + place * step, 31 - 29 * share / most, step * 0.85, 29 * share / most, "bar"))
    return svg.picture(160, 32, marks, f"missing share of {name}, at most {percent(most)}", "sparkline")
