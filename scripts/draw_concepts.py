"""Draw the pictures of docs/concepts as SVG: one per concept, the PSI by Driftline's own code.

python -m scripts.draw_concepts            write docs/images/concept-*.svg
python -m scripts.draw_concepts --check    exit 1 if one differs
"""

from __future__ import annotations

import sys

import numpy as np

from scripts.generated import ROOT, write_or_check
from scripts.picture import BLUE, GREEN, GREY, INK, ORANGE, RED, Picture

FOLDER = ROOT / "docs" / "images"


def windows() -> str:
    """Return windows of an hour, the watermark and a late row."""
    picture = Picture(270, "A window closes when the watermark is ten minutes past its end")
    for hour, (name, colour) in enumerate((("closed", GREEN), ("closed", GREEN), ("open", BLUE))):
        x = 40 + hour * 230
        picture.box(x, 80, 222, 80, colour, 0.15)
        picture.text(x + 111, 72, f"window {9 + hour}:00 to {10 + hour}:00", anchor="middle")
        picture.text(x + 60, 182, name, colour=colour, anchor="middle", bold=True)
        rows = np.random.default_rng(hour).uniform(12, 210 if hour < 2 else 120, 14)
        for index, at in enumerate(rows):
            picture.dot(x + at, 92 + index * 57 / 14, INK)
    picture.dot(40 + 150, 222, ORANGE)
    picture.line(40 + 150, 216, 40 + 150, 166, ORANGE)
    picture.text(40 + 162, 227, "a late row: the closed window is revised", colour=ORANGE)
    picture.line(40 + 2 * 230 + 118, 80, 40 + 2 * 230 + 118, 200, RED, dashed=True)
    picture.text(40 + 2 * 230 + 118, 218, "watermark", colour=RED, anchor="middle", bold=True)
    picture.text(40, 252, "event time of the predictions →", colour=GREY)
    return picture.svg()


def psi() -> str:
    """Return bins of a feature in the baseline and in a window, with the PSI of each."""
    before = np.array([0.10, 0.20, 0.30, 0.25, 0.15])
    now = np.array([0.05, 0.12, 0.23, 0.32, 0.28])
    parts = (now - before) * np.log(now / before)
    picture = Picture(330, f"PSI: the changes of all bins added up, here {parts.sum():.3f}")
    for index, (was, here, part) in enumerate(zip(before, now, parts, strict=True)):
        x = 60 + index * 142
        picture.box(x, 250 - was * 480, 48, was * 480, GREY)
        picture.box(x + 54, 250 - here * 480, 48, here * 480, BLUE)
        picture.text(x + 51, 272, ("to 20", "20 to 35", "35 to 50", "50 to 65", "from 65")[index], anchor="middle")
        picture.text(x + 51, 296, f"+{part:.3f}", colour=ORANGE, anchor="middle", bold=True)
    picture.line(48, 250, 760, 250)
    picture.box(60, 54, 14, 14, GREY)
    picture.text(80, 66, "fraction in the baseline")
    picture.box(270, 54, 14, 14, BLUE)
    picture.text(290, 66, "fraction in the window")
    picture.text(480, 66, "(now − before) · ln(now / before)", colour=ORANGE)
    picture.text(
        60, 320, "small below 0.1, moderate below 0.25, large from 0.25 on, minus what chance explains", colour=GREY
    )
    return picture.svg()


def late_labels() -> str:
    """Return the known outcomes of a day, and when its metric counts."""
    picture = Picture(300, "The outcomes of one day of predictions arrive over weeks")
    shares = [0, 8, 22, 38, 52, 64, 74, 82, 88, 92, 95, 97, 98, 99]
    for day, share in enumerate(shares):
        x = 60 + day * 50
        colour = GREEN if share >= 95 else BLUE
        picture.box(x, 240 - share * 1.6, 34, share * 1.6, colour, 0.85)
        picture.text(x + 17, 260, str(day), anchor="middle")
    picture.line(48, 240, 770, 240)
    picture.line(553, 56, 553, 240, RED, dashed=True)
    picture.text(545, 72, "outcome_delay", colour=RED, anchor="end", bold=True)
    picture.text(300, 100, "immature", colour=BLUE, anchor="end", bold=True)
    picture.text(662, 72, "mature: counts", colour=GREEN, anchor="middle", bold=True)
    picture.text(60, 284, "days after the predictions; bars: fraction of predictions with a known outcome", colour=GREY)
    return picture.svg()


def verdict() -> str:
    """Return the interval of a change against the margin for each state."""
    picture = Picture(320, "The interval of the change decides, not the value")
    zero, margin = 380.0, 480.0
    picture.line(zero, 56, zero, 270, GREY)
    picture.line(margin, 56, margin, 270, RED, dashed=True)
    picture.text(zero, 292, "as the baseline", colour=GREY, anchor="middle")
    picture.text(margin, 292, "margin", colour=RED, anchor="middle", bold=True)
    picture.text(620, 292, "worse →", colour=GREY)
    rows = (
        ("healthy", GREEN, 340, 450, "inside the margin, completely"),
        ("degraded", RED, 500, 640, "beyond the baseline, and past the margin"),
        ("inconclusive", ORANGE, 330, 590, "too few rows or days: at_risk or unknown"),
    )
    for index, (state, colour, low, high, words) in enumerate(rows):
        y = 90 + index * 66
        picture.text(24, y + 5, state, colour=colour, bold=True)
        picture.line(low, y, high, y, colour, width=6)
        picture.dot((low + high) / 2, y, INK)
        picture.text(24, y + 26, words, size=13, colour=GREY)
    return picture.svg()


def topologies() -> str:
    """Return the ways that telemetry takes in each topology."""
    picture = Picture(560, "Where Driftline receives telemetry, in five topologies")
    picture.key(24, 64, {"driftline up": GREEN, "OpenTelemetry Collector": BLUE, "service or backends": GREY})
    colours = {"service": INK, "collector": BLUE, "driftline": GREEN, "backends": INK}

    def station(x: float, y: float, name: str, kind: str) -> None:
        picture.box(x - 56, y - 17, 112, 34, GREY if colours[kind] == INK else colours[kind], 0.18)
        picture.text(x, y + 5, name, anchor="middle", bold=True, colour=colours[kind])

    def way(y: float, *stations: tuple[float, str, str]) -> None:
        for (x, name, kind), after in zip(stations, [*stations[1:], None], strict=True):
            station(x, y, name, kind)
            if after is not None:
                picture.arrow(x + 56, y, after[0] - 56, y)

    first, second, third, fourth = 170.0, 350.0, 530.0, 710.0
    picture.text(24, 113, "alongside", bold=True)
    way(108, (first, "service", "service"), (second, "Collector", "collector"), (third, "backends", "backends"))
    station(second, 168, "driftline up", "driftline")
    picture.arrow(first + 20, 125, second - 56, 168)
    picture.text(first + 46, 170, "records, outcomes", size=12, anchor="middle")
    picture.arrow(second, 151, second, 125, GREEN)
    picture.text(second + 10, 143, "derived metrics and traces", size=12, colour=GREEN)

    picture.text(24, 233, "in front", bold=True)
    way(228, (first, "service", "service"), (second, "driftline up", "driftline"), (third, "backends", "backends"))

    picture.text(24, 293, "gateway", bold=True)
    way(288, (first, "services", "service"), (second, "gateway", "collector"), (third, "driftline up", "driftline"),
        (fourth, "backends", "backends"))  # fmt: skip
    picture.line(second, 305, second, 326, INK, width=1.6)
    picture.line(second, 326, fourth, 326, INK, width=1.6)
    picture.arrow(fourth, 326, fourth, 305)
    picture.text(second + 10, 321, "traces, if you add their exporter", size=12)

    picture.text(24, 363, "agent,", bold=True)
    picture.text(24, 381, "sidecar", bold=True)
    way(367, (first, "service", "service"), (second, "agent", "collector"), (third, "gateway", "collector"))
    picture.line(third + 56, 367, third + 86, 367, INK, dashed=True, width=1.6)
    picture.text(third + 94, 372, "as above", size=13)

    picture.text(24, 477, "several", bold=True)
    picture.text(24, 495, "processors", bold=True)
    way(480, (first, "services", "service"), (second, "Collector", "collector"))
    for y, models in ((432, "models a, c"), (480, "models b, d")):
        picture.arrow(second + 56, 480, third - 56, y)
        station(third, y, "driftline up", "driftline")
        picture.text(third + 66, y + 5, models, size=12)
    picture.arrow(second + 56, 480, third - 56, 528)
    station(third, 528, "backends", "backends")
    picture.text(third + 66, 533, "everything", size=12)
    return picture.svg()


PICTURES = {"topologies": topologies, "windows": windows, "psi": psi, "late-labels": late_labels, "verdict": verdict}


def main(arguments: list[str]) -> int:
    """Write or check the pictures; return the exit code."""
    pictures = {FOLDER / f"concept-{name}.svg": draw() for name, draw in PICTURES.items()}
    return write_or_check(pictures, "is not as drawn", __file__, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
