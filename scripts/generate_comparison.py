"""Write the table of detection in docs/compare/comparison.md from benchmarks/right_or_wrong/windows.csv.

python -m scripts.generate_comparison            write the table
python -m scripts.generate_comparison --check    exit 1 where it differs
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Sequence

from scripts.generated import ROOT, between_markers, write_or_check

PAGE = ROOT / "docs" / "compare" / "comparison.md"
WINDOWS = ROOT / "benchmarks" / "right_or_wrong" / "windows.csv"

LINES = {
    "driftline windows": "the state of the window",
    "driftline model": "the state of the model when the window ended",
    "nannyml realized": "realized performance",
    "evidently decisive": "tests of log loss, AUC, MAE and accuracy, for the worse only",
    "evidently quality": "all tests of the quality preset",
    "river errors": "ADWIN on the errors",
    "evidently drift": "the drift preset; uses no labels",
    "nannyml estimated": "estimated performance; uses no labels",
    "scipy inputs": "KS and chi-square per input, Bonferroni; uses no labels",
}
"""Tool and answer as in the head of windows.csv, without the version: the words of the table."""
NAMES = {"driftline": "Driftline", "nannyml": "NannyML", "evidently": "Evidently", "river": "River", "scipy": "SciPy"}


def main(arguments: list[str]) -> int:
    """Write or check the table; return the exit code."""
    with WINDOWS.open(encoding="utf-8", newline="") as file:
        windows = list(csv.DictReader(file))
    page = between_markers(PAGE.read_text(encoding="utf-8"), "scripts/generate_comparison.py", table(windows))
    return write_or_check({PAGE: page}, "differs from windows.csv", __file__, arguments)


def table(windows: Sequence[dict[str, str]]) -> str:
    """Return the table: for each tool, how many windows of each class it called worse or fine.

    >>> rows = [{"class": "worse", "driftline 0.1.0: windows": answer} for answer in ("worse", "worse", "unknown")]
    >>> print(table(rows).splitlines()[2])
    | Driftline 0.1.0: the state of the window | 2 | 0 | 0 | 0 | 1 |
    """
    classes = Counter(row["class"] for row in windows)
    text = (
        f"| | {classes['worse']} worse windows: called worse | called fine "
        f"| {classes['equivalent']} unchanged windows: called worse | called fine | no answer, of {len(windows)} |\n"
        "|---|---|---|---|---|---|\n"
    )
    columns = {column.partition(" ")[0] + column.partition(":")[2]: column for column in windows[0] if ":" in column}
    for key, words in LINES.items():
        if (column := columns.get(key)) is None:
            continue
        tool, _, version = column.partition(":")[0].partition(" ")
        counts = Counter((row["class"], row[column]) for row in windows)
        answered = sum(number for (_, answer), number in counts.items() if answer in ("worse", "fine"))
        cells = [counts[of_class, answer] for of_class in ("worse", "equivalent") for answer in ("worse", "fine")]
        cells.append(len(windows) - answered)
        text += f"| {NAMES[tool]} {version}: {words} | {' | '.join(map(str, cells))} |\n"
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
