"""Draw the charts of docs/project/trust.md from evidence/*.json.

python -m scripts.draw_evidence            write docs/images/evidence-*.svg
python -m scripts.draw_evidence --check    exit 1 if one differs
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from scripts.generated import ROOT, write_or_check
from scripts.picture import BLUE, GREEN, GREY, ORANGE, RED, Picture
from simulations.frame import EVIDENCE

FOLDER = ROOT / "docs" / "images"
LEFT, RIGHT = 300.0, 720.0
"""Ends of a horizontal axis."""

PERCENT = {0.0: "0 %", 0.25: "25 %", 0.5: "50 %", 0.75: "75 %", 1.0: "100 %"}


def evidence(name: str) -> dict[str, Any]:
    """Return the figures of a table by row."""
    figures: dict[str, Any] = json.loads((EVIDENCE / f"{name}.json").read_text(encoding="utf-8"))
    return figures


def at(fraction: float) -> float:
    """Return where a fraction of the axis lies."""
    return LEFT + fraction * (RIGHT - LEFT)


def bar(picture: Picture, y: float, fraction: float, colour: str, height: float, label: str = "") -> None:
    """Draw a bar with its value."""
    picture.box(LEFT, y, max(1.5, at(fraction) - LEFT), height, colour)
    picture.text(at(fraction) + 6, y + height - 2, label or f"{100 * fraction:.3g} %", size=12)


def false_alarms() -> str:
    """Return how often data without a change alarm, by tool."""
    rows = {
        "quiet-50-1": "1 number, 50 rows",
        "quiet-1000-20": "20 numbers, 1,000 rows",
        "zipf-1000": "20 columns of 100 categories",
        "customers-0.5": "50 customers with 20 rows each",
        "days-1-20": "1 day of rows that correlate by day",
    }
    ours, peers = evidence("drift"), evidence("peers")
    tools = {"Driftline": (ours, GREEN), "NannyML": (peers["nannyml"]["figures"], BLUE)}
    tools |= {"whylogs": (peers["whylogs"]["figures"], GREY), "Evidently": (peers["evidently"]["figures"], ORANGE)}
    most = max(ours[row]["alarm"] for row in rows)
    picture = Picture(
        160 + 88 * len(rows), f"Without a change, Driftline alarms in at most {100 * most:.2g} % of windows"
    )
    picture.key(24, 62, {name: colour for name, (_, colour) in tools.items()})
    bottom = 96.0 + 88 * len(rows)
    picture.scale(LEFT, RIGHT, bottom, 80, PERCENT)
    for index, (row, words) in enumerate(rows.items()):
        top = 92 + 88 * index
        picture.text(24, top + 30, words)
        picture.text(24, top + 48, row, size=12, colour=GREY)
        for place, (figures, colour) in enumerate(tools.values()):
            if row in figures:
                bar(picture, top + 18 * place, figures[row]["alarm"], colour, 14)
            else:
                picture.text(LEFT + 4, top + 18 * place + 12, "not measured", size=12, colour=GREY)
    picture.text(LEFT, bottom + 44, "fraction of windows with an alarm", colour=GREY)
    return picture.svg()


def detection() -> str:
    """Return how often a planted shift is found."""
    rows = {
        "moved-0.2-1000-20": "0.2 sd, one of 20 numbers, 1,000 rows",
        "moved-0.5-200-200": "0.5 sd, one of 200, 200 rows",
        "moved-1.0-50-200": "1 sd, one of 200, 50 rows",
        "moved-0.5-50-20": "0.5 sd, one of 20, 50 rows",
        "moved-days-3-7-168": "3 sd of a day, 7 days of reference",
        "moved-days-3-14-168": "the same, 14 days",
        "moved-days-3-30-168": "the same, 30 days",
        "moved-days-3-60-168": "the same, 60 days",
    }
    figures = evidence("drift")
    picture = Picture(130 + 34 * len(rows), "A shift is found if rows and days are enough to show it")
    bottom = 66.0 + 34 * len(rows)
    picture.scale(LEFT, RIGHT, bottom, 56, PERCENT)
    for index, (row, words) in enumerate(rows.items()):
        picture.text(24, 82 + 34 * index, words)
        bar(picture, 68 + 34 * index, figures[row]["found"], GREEN if figures[row]["found"] >= 0.95 else ORANGE, 18)
    picture.text(
        LEFT, bottom + 44, "fraction of windows in which the shift is found; green: at least 95 %", colour=GREY
    )
    return picture.svg()


def coverage() -> str:
    """Return how often intervals contain the true value, by kind of metric."""
    families = {
        "fractions": r"exact-|review-",
        "F-scores, averages": r"f1-|f2-|balanced-|macro-",
        "fairness": "fairness-",
        "weighted outcomes": "weights-",
        "ROC AUC": "auc-",
        "gain, lift": "gain-|lift-",
        "MAE, RMSE": "mean-",
        "costs": "cost-",
        "rare large losses": "spikes-|lognormal-",
        "rows that correlate by day": r"days-|few-|unlike-|since-|lent-.*\d$",
        "days with autocorrelation": "lasting-|.*-keeps|.*-variance|.*-apart",
    }
    figures = evidence("coverage")
    low, high = 0.85, 1.0
    groups = {
        name: [row["covered"] for key, row in figures.items() if re.match(pattern, key)]
        for name, pattern in families.items()
    }
    shown = [value for values in groups.values() for value in values]
    within = sum(value >= 0.93 for value in shown)
    picture = Picture(150 + 32 * len(groups), "Intervals of 95 % contain the true value about as often as promised")
    bottom = 66.0 + 32 * len(groups)
    ticks = {(value - low) / (high - low): f"{100 * value:.0f} %" for value in (0.85, 0.9, 0.95, 1.0)}
    picture.scale(LEFT, RIGHT, bottom, 56, ticks)
    promised = at((0.95 - low) / (high - low))
    picture.line(promised, 56, promised, bottom, RED, dashed=True)
    for index, (name, values) in enumerate(groups.items()):
        y = 76 + 32 * index
        picture.text(24, y + 5, name)
        for value in values:
            picture.dot(at(max(0.0, value - low) / (high - low)), y, GREEN if value >= 0.93 else ORANGE, 4)
        if min(values) < low:
            picture.text(LEFT + 10, y + 5, f"← {100 * min(values):.0f} %", size=12, colour=ORANGE)
    words = (
        f"Each dot is one kind of data; {within} of {len(shown)} (green) contain it in at least 93 % of the windows."
    )
    picture.text(24, bottom + 50, words, colour=GREY)
    return picture.svg()


def delay() -> str:
    """Return how long each planted fault takes to be found."""
    rows = {
        "verdict-3-points": "accuracy 3 points lower",
        "verdict-5-points": "accuracy 5 points lower",
        "verdict-mae": "mean absolute error a fifth higher",
        "verdict-input-small": "one input by 0.3 sd, no outcomes",
        "verdict-input": "one input by 0.5 sd, no outcomes",
        "verdict-missing": "60 % of an input missing",
        "verdict-slow": "calls three times as long",
        "verdict-errors": "5 % of calls fail",
    }
    figures = evidence("verdict_changed")
    longest = 14
    picture = Picture(150 + 34 * len(rows), "Most faults are found in a week of daily windows")
    bottom = 66.0 + 34 * len(rows)
    picture.scale(LEFT, RIGHT, bottom, 56, {days / longest: str(days) for days in range(0, longest + 1, 2)})
    for index, (row, words) in enumerate(rows.items()):
        found = figures[row]
        label = f"{found['median']:g} day{'s' * (found['median'] != 1)}" + (
            "" if found["found"] == 1 else f", {100 * found['found']:.0f} % found"
        )
        picture.text(24, 82 + 34 * index, words)
        bar(picture, 68 + 34 * index, found["median"] / longest, BLUE, 18, label)
    picture.text(LEFT, bottom + 44, "days until the verdict changes: median of 10 models", colour=GREY)
    picture.text(LEFT, bottom + 64, "outcomes arrive after three days", colour=GREY)
    return picture.svg()


def streams() -> str:
    """Return what each tool called the windows of the real streams."""
    lines = evidence("right_or_wrong")["streams"]
    tool, worse, equivalent, _ = list(lines[0])
    names = {
        "Driftline, state of the window": "Driftline, per window",
        "Driftline, state of the model when the window ended": "Driftline, verdict of the model",
        "NannyML, realized performance": "NannyML, realized",
        "NannyML, estimated performance (CBPE, DLE)": "NannyML, estimated",
        "Evidently, tests of its quality preset": "Evidently, quality preset",
        "Evidently, only its tests of log loss, AUC, MAE, for the worse": "Evidently, three metrics",
        "Evidently, drift preset": "Evidently, drift preset",
        "River, ADWIN on the errors": "River, ADWIN on errors",
        "scipy, KS and chi-square per input, Bonferroni": "scipy, tests of inputs",
    }
    shown = [(names[line[tool]], line) for line in lines if line[tool] in names]
    picture = Picture(140 + 34 * len(shown), "Real streams: what tools called windows that are worse, and that are not")
    picture.key(24, 62, {"called worse": RED, "called fine": GREEN, "inconclusive": GREY})
    for column, left in ((worse, 250.0), (equivalent, 540.0)):
        number, _, words = column.partition(" windows: ")
        picture.text(left, 90, f"{number} windows: {words}", size=13, bold=True)
        for index, (name, line) in enumerate(shown):
            y, x = 102 + 34 * index, left
            picture.text(24, y + 15, name)
            counts = [int(count.strip("* ")) for count in line[column].split("/")]
            for count, colour in zip(counts, (RED, GREEN, GREY), strict=True):
                width = 240 * count / sum(counts)
                picture.box(x, y, width, 20, colour, 0.85)
                if count:
                    picture.text(x + width / 2, y + 15, str(count), size=12, colour="#ffffff", anchor="middle")
                x += width
    return picture.svg()


def autocorrelation() -> str:
    """Return false alarms of days that depend on the days before, by the length of the reference."""
    figures = evidence("drift")
    lengths, colours = (7, 14, 30, 60), {0.0: GREEN, 0.6: BLUE, 0.9: ORANGE}
    values = {
        kept: [figures[f"lasting-{days}-0.5-{kept}"]["alarm"] for days in lengths] for kept in colours
    }  # ICC 0.5: the rows of a day correlate
    most = 0.12
    picture = Picture(360, "Where it falls short: days that depend on the days before")
    picture.key(80, 66, {f"autocorrelation {kept:g}": colour for kept, colour in colours.items()})
    left, right, top, bottom = 80.0, 740.0, 90.0, 290.0

    def height(fraction: float) -> float:
        return bottom - fraction / most * (bottom - top)

    for percent in (0, 4, 8, 12):
        picture.line(left, height(percent / 100), right, height(percent / 100), GREY, width=0.5)
        picture.text(left - 8, height(percent / 100) + 5, f"{percent} %", size=13, colour=GREY, anchor="end")
    picture.line(left, height(0.02), right, height(0.02), RED, dashed=True, width=1.5)
    picture.text(left + 6, height(0.02) - 6, "promised: at most 2 %", size=12, colour=RED)
    places = [left + 60 + index * 165 for index in range(len(lengths))]
    for kept, colour in colours.items():
        for index, (x, value) in enumerate(zip(places, values[kept], strict=True)):
            if index:
                picture.line(places[index - 1], height(values[kept][index - 1]), x, height(value), colour)
            picture.dot(x, height(value), colour, 5)
    for x, days in zip(places, lengths, strict=True):
        picture.text(x, bottom + 22, f"{days} days", anchor="middle")
    words = "days of reference; fraction of windows without a change that drift, at the worst of five lengths"
    picture.text(left, bottom + 50, words, colour=GREY)
    return picture.svg()


CHARTS = {
    "false-alarms": false_alarms,
    "detection": detection,
    "coverage": coverage,
    "delay": delay,
    "streams": streams,
    "autocorrelation": autocorrelation,
}


def main(arguments: list[str]) -> int:
    """Write or check the charts; return the exit code."""
    charts = {FOLDER / f"evidence-{name}.svg": draw() for name, draw in CHARTS.items()}
    return write_or_check(charts, "differs from evidence/", __file__, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
