"""Draw the charts of docs/project/trust.md from evidence/*.json.

python -m scripts.draw_evidence            write docs/images/evidence-*.svg
python -m scripts.draw_evidence --check    exit 1 if one differs
"""

from __future__ import annotations

import re
import sys
from math import ceil

from scripts.generated import ROOT, write_or_check
from scripts.picture import BLUE, GREEN, GREY, GROUND, LIGHT, ORANGE, RED, Picture
from simulations.drift.claims import CLAIMS
from simulations.frame import percent, stored

FOLDER = ROOT / "docs" / "images"
LEFT, RIGHT = 300.0, 720.0
"""Ends of a horizontal axis."""

PERCENT = {0.0: "0 %", 0.25: "25 %", 0.5: "50 %", 0.75: "75 %", 1.0: "100 %"}


def at(fraction: float) -> float:
    """Return where a fraction of the axis lies."""
    return LEFT + fraction * (RIGHT - LEFT)


def bar(picture: Picture, y: float, fraction: float, colour: str, height: float) -> None:
    """Draw a bar with its value."""
    picture.box(LEFT, y, max(1.5, at(fraction) - LEFT), height, colour)
    picture.text(max(at(fraction) + 6, LEFT + 14), y + height / 2 + 4, percent(fraction), size=12, halo=True)


def false_alarms() -> str:
    """Return how often data without a change alarm, by tool."""
    rows = {
        "quiet-50-1": "1 number, 50 rows",
        "quiet-1000-20": "20 numbers, 1,000 rows",
        "zipf-1000": "20 columns of 100 categories",
        "days-1-20": "20 numbers, rows of a day correlate",
        "customers-0.5": "50 customers with 20 rows each",
        "keyless-0.5": "the same, without a key",
    }
    ours, peers = stored("drift"), stored("peers")
    tools = {"Driftline": (ours, GREEN), "NannyML": (peers["nannyml"]["figures"], BLUE)}
    tools |= {"whylogs": (peers["whylogs"]["figures"], GREY), "Evidently": (peers["evidently"]["figures"], ORANGE)}
    limits = {row: limit for row in rows if (limit := CLAIMS[row].most) is not None}
    worst = percent(max(ours[row]["alarm"] for row in limits))
    picture = Picture(
        160 + 88 * len(rows), f"No change, six kinds of data: Driftline alarms in at most {worst}, except without a key"
    )
    picture.key(24, 62, {name: colour for name, (_, colour) in tools.items()} | {"promised limit of Driftline": RED})
    bottom = 86.0 + 88 * len(rows)
    picture.scale(LEFT, RIGHT, bottom, 80, PERCENT)
    for index, (row, words) in enumerate(rows.items()):
        top = 92 + 88 * index
        picture.text(24, top + 30, words)
        promise = f"limit {percent(limits[row])}" if row in limits else "no limit is promised"
        picture.text(24, top + 48, f"{row}: {promise}", size=12, colour=GREY)
        for place, (figures, colour) in enumerate(tools.values()):
            if row in figures:
                bar(picture, top + 18 * place, figures[row]["alarm"], colour, 14)
            else:
                picture.text(LEFT + 14, top + 18 * place + 12, "not measured", size=12, colour=GREY)
        if row in limits:
            picture.line(at(limits[row]), top - 3, at(limits[row]), top + 71, RED, width=1.5)
    counts = [figures[row]["windows"] for figures, _ in [*tools.values()][1:] for row in rows if row in figures]
    our_counts = [ours[row]["windows"] for row in rows]
    words = f"{min(our_counts):,} to {max(our_counts):,} windows per row for Driftline, "
    words += f"{min(counts)} to {max(counts)} for other tools"
    picture.text(24, bottom + 50, f"fraction of windows with an alarm; {words}", colour=GREY)
    return picture.svg()


def detection() -> str:
    """Return how often a planted shift is found."""
    independent = {
        "moved-0.2-1000-20": "0.2 sd, one of 20 numbers, 1,000 rows",
        "moved-0.5-200-200": "0.5 sd, one of 200 numbers, 200 rows",
        "moved-1.0-50-200": "1 sd, one of 200 numbers, 50 rows",
        "moved-0.5-50-20": "0.5 sd, one of 20 numbers, 50 rows",
    }
    days = (7, 14, 30, 60)
    groups = {"Independent rows": independent}
    for hours, window in ((168, "window of 7 days"), (24, "window of 1 day")):
        groups[f"Days that differ: 3 sd between days, {window}"] = {
            f"moved-days-3-{length}-{hours}": f"{length} days of reference" for length in days
        }
    figures = stored("drift")
    rows = sum(len(group) for group in groups.values())
    picture = Picture(142 + 27 * rows + 34 * len(groups), "A shift is found if the rows and the days are enough")
    picture.key(24, 62, {"found": GREEN, "found in less than 95 %": ORANGE, "inconclusive": LIGHT})
    y, bottom = 72.0, 76.0 + 27 * rows + 34 * len(groups)
    picture.scale(LEFT, RIGHT, bottom, 76, PERCENT)
    for name, group in groups.items():
        picture.box(LEFT - 6, y + 6, RIGHT - LEFT + 12, 24, GROUND)
        picture.text(24, y + 24, name, bold=True)
        y += 34
        for row, words in group.items():
            measured = figures[row]
            unsure = measured.get("unsure", 0.0)
            detected = measured["alarm" if "unsure" in measured else "found"]  # a drift without a doubt
            few = f" of {measured['windows']:,}" if measured["windows"] < 1_000 else ""
            picture.text(24, y + 14, words)
            picture.box(at(detected), y, at(detected + unsure) - at(detected), 18, LIGHT)
            colour = GREEN if detected >= 0.95 else ORANGE
            picture.box(LEFT, y, max(1.5, at(detected) - LEFT), 18, colour)
            picture.text(at(detected + unsure) + 6, y + 13, percent(detected) + few, size=12, halo=True)
            y += 27
    counts = [figures[row]["windows"] for group in groups.values() for row in group]
    words = f"fraction of {min(counts):,} to {max(counts):,} windows per row; the number is the fraction found"
    picture.text(24, bottom + 44, words, colour=GREY)
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
    figures = stored("coverage")
    low, high = 0.85, 1.0
    groups = {
        name: [row["covered"] for key, row in figures.items() if re.match(pattern, key)]
        for name, pattern in families.items()
    }
    fractions = [value for values in groups.values() for value in values]
    within = sum(value >= 0.93 for value in fractions)
    title = f"Intervals of 95 % cover {within} of {len(fractions)} kinds of data in at least 93 % of windows"
    picture = Picture(160 + 32 * len(groups), title)
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
    picture.text(LEFT, bottom + 44, "fraction of windows whose interval contains the true value", colour=GREY)
    none = figures["spikes-200"]
    words = f"Each dot is one kind of data; red line: 95 %. In the row with {percent(none['covered'])}, "
    words += f"{percent(none['silent'])} of the windows have no interval."
    picture.text(24, bottom + 72, words, size=13, colour=GREY)
    return picture.svg()


def delay() -> str:
    """Return how long each planted fault takes to be found."""
    rows = {
        "verdict-errors": "5 % of calls fail",
        "verdict-slow": "calls three times as long",
        "verdict-missing": "60 % of an input missing, no outcomes",
        "verdict-input": "one input by 0.5 sd, no outcomes",
        "verdict-estimate": "inputs by 0.5 sd, no outcomes",
        "verdict-mae": "mean absolute error a fifth higher",
        "verdict-input-days": "one input by 0.5 sd, days differ, no outcomes",
        "verdict-5-points": "accuracy 5 points lower",
        "verdict-5-points-days": "accuracy 5 points lower, days differ",
        "verdict-3-points": "accuracy 3 points lower",
        "verdict-input-small": "one input by 0.3 sd, no outcomes",
    }
    figures = stored("verdict_changed")
    medians = {row: figures[row]["median"] or 30.0 for row in rows}
    order = sorted(rows, key=medians.__getitem__)
    week, last = 7, medians[order[-1]]
    step = 2 if last <= 12 else 5
    longest = step * ceil(1.2 * last / step)
    soon = sum(days <= week for days in medians.values())
    picture = Picture(
        150 + 30 * len(rows), f"{soon} of {len(rows)} planted faults are found within a week of daily windows"
    )
    bottom = 66.0 + 30 * len(rows)
    left = LEFT + 30
    picture.scale(left, RIGHT, bottom, 56, {days / longest: str(days) for days in range(0, longest + 1, step)})
    for index, row in enumerate(order):
        measured, y = figures[row], 64 + 30 * index
        label = f"{medians[row]:g} day{'s' * (medians[row] != 1)}" if measured["median"] else "more than 30 days"
        label += "" if measured["found"] == 1 else f", {percent(measured['found'])} found"
        length = medians[row] / longest * (RIGHT - left)
        picture.text(24, y + 14, rows[row])
        picture.box(left, y, length, 18, BLUE if medians[row] <= week else ORANGE)
        picture.text(left + length + 6, y + 13, label, size=12, halo=True)
    models = figures["verdict-errors"]["windows"]
    words = f"days until the model is degraded or at risk: median of {models} models"
    picture.text(left, bottom + 44, words, colour=GREY)
    picture.text(left, bottom + 64, "outcomes arrive three days after the predictions", colour=GREY)
    return picture.svg()


def window_counts(cell: str) -> list[int]:
    """Return the windows that a tool called worse, fine and neither.

    >>> window_counts("**34** / 0 / 3")
    [34, 0, 3]
    >>> window_counts("**0** / 0 / 9 (9 no answer)")
    [0, 0, 9]
    """
    return [int(count.strip("* ")) for count in cell.partition(" (")[0].split("/")]


def streams() -> str:
    """Return what each tool called the windows of the real streams."""
    lines = stored("right_or_wrong")["streams"]
    tool, worse, equivalent, _ = list(lines[0])
    names = {
        "Driftline, state of the window": "Driftline, per window",
        "Driftline, state of the model when the window ended": "Driftline, verdict of the model",
        "NannyML, realized performance": "NannyML, realized",
        "NannyML, estimated performance (CBPE, DLE)": "NannyML, estimated",
        "Evidently, tests of its quality preset": "Evidently, quality preset",
        "Evidently, only its tests of log loss, AUC, MAE, accuracy, for the worse": "Evidently, four metrics",
        "Evidently, drift preset": "Evidently, drift preset",
        "River, ADWIN on the errors": "River, ADWIN on errors",
        "scipy, KS and chi-square per input, Bonferroni": "scipy, tests of inputs",
    }
    tools = [(names[line[tool]], line) for line in lines]
    fine = max(window_counts(line[worse])[1] for name, line in tools if name.startswith("Driftline"))
    number = worse.partition(" ")[0]
    title = f"Real streams: Driftline calls {fine or 'none'} of the {number} degraded windows fine"
    picture = Picture(118 + 34 * len(tools), title)
    picture.key(24, 62, {"called worse": RED, "called fine": GREEN, "inconclusive": GREY})
    for column, left in ((worse, 250.0), (equivalent, 540.0)):
        number, _, words = column.partition(" windows: ")
        picture.text(left, 90, f"{number} windows: {words}", size=13, bold=True)
        for index, (name, line) in enumerate(tools):
            y, x = 102 + 34 * index, left
            picture.text(24, y + 15, name)
            counts = window_counts(line[column])
            for count, colour in zip(counts, (RED, GREEN, GREY), strict=True):
                width = 240 * count / sum(counts)
                picture.box(x, y, width, 20, colour, 0.85)
                if width >= 10:
                    picture.text(x + width / 2, y + 15, str(count), size=12, colour="#ffffff", anchor="middle")
                elif count:
                    outside, anchor = (x - 4, "end") if x == left else (x + width + 4, "start")
                    picture.text(outside, y + 15, str(count), size=12, anchor=anchor)
                x += width
    return picture.svg()


def autocorrelation() -> str:
    """Return false alarms of days that depend on the days before, by the length of the reference."""
    figures = stored("drift")
    lengths, colours = (7, 14, 30, 60), {0.0: GREEN, 0.6: BLUE, 0.9: ORANGE}
    values: dict[float, list[float]] = {
        kept: [figures[f"lasting-{days}-0.5-{kept}"]["alarm"] for days in lengths] for kept in colours
    }  # ICC 0.5: the rows of a day correlate
    most: float = 0.04 * ceil(max(max(line) for line in values.values()) / 0.04)
    picture = Picture(372, "Where it falls short: days that depend on the days before")
    picture.key(80, 66, {f"autocorrelation {kept:g}": colour for kept, colour in colours.items()})
    left, right, top, bottom = 80.0, 740.0, 90.0, 290.0
    places = [left + 60 + index * 165 for index in range(len(lengths))]

    def height(fraction: float) -> float:
        return bottom - fraction / most * (bottom - top)

    for tick in range(0, round(100 * most) + 1, 4):
        picture.line(left, height(tick / 100), right, height(tick / 100), GREY, width=0.5)
        picture.text(left - 8, height(tick / 100) + 5, f"{tick} %", size=13, colour=GREY, anchor="end")
    picture.line(left, height(0.02), right, height(0.02), RED, dashed=True, width=1.5)
    picture.text(places[1] + 24, height(0.02) + 16, "promised: at most 2 %", size=12, colour=RED, halo=True)
    for kept, colour in colours.items():
        for index, (x, value) in enumerate(zip(places, values[kept], strict=True)):
            if index:
                picture.line(places[index - 1], height(values[kept][index - 1]), x, height(value), colour)
            picture.dot(x, height(value), colour, 5)
    for x, days in zip(places, lengths, strict=True):
        picture.text(x, bottom + 22, f"{days} days", anchor="middle")
    counts = [figures[f"lasting-{days}-0.5-{kept}"]["windows"] for kept in colours for days in lengths]
    words = "days of reference; fraction of windows without a change that drift, at the worst of five window lengths"
    picture.text(24, bottom + 46, words, colour=GREY)
    number = f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
    picture.text(24, bottom + 66, f"{number} windows per length and dot; rows correlate by day at 0.5", colour=GREY)
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
