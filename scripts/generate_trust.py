"""Fill the tables of docs/project/trust.md from evidence/*.json.

python -m scripts.generate_trust            write the tables
python -m scripts.generate_trust --check    exit 1 if one differs
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Mapping, Sequence

from scripts.generated import ROOT, between_markers, write_or_check
from simulations.drift.table import DRIFT
from simulations.frame import Table, markdown, stored, table_rows
from simulations.verdicts import QUIET_LIVES

PAGE = ROOT / "docs" / "project" / "trust.md"
DRIFT_ROWS = (
    "quiet-1000-20", "customers-0.5", "keyless-0.5", "days-1-20", "moved-0.2-1000-20",
)  # fmt: skip
STREAM_ROWS = (
    "Driftline, state of the model when the window ended", "NannyML, realized performance",
    "Evidently, only its tests of log loss, AUC, MAE, accuracy, for the worse", "River, ADWIN on the errors",
)  # fmt: skip
QUIET_ROWS = ("days", "keeps", "lasts", "canary", "unknown")


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit code."""
    page = PAGE.read_text(encoding="utf-8")
    for name, text in tables().items():
        page = between_markers(page, name, text)
    return write_or_check({PAGE: page}, "differs from evidence/", __file__, arguments)


def tables() -> dict[str, str]:
    """Return the tables by name."""
    answers = stored("right_or_wrong")
    streams, promises = answers["streams"], answers["promises"]
    return {
        "drift": rows_of(DRIFT, DRIFT_ROWS, without=("Evidently", "NannyML", "whylogs")),
        "streams": markdown(streams[0], [row.values() for row in streams if next(iter(row.values())) in STREAM_ROWS]),
        "promises": markdown(promises[0], [row.values() for row in promises]),
        "causes": causes(answers["causes"]),
        "quiet": rows_of(QUIET_LIVES, [f"verdict-quiet-{name}" for name in QUIET_ROWS]),
    }


def causes(rows: Sequence[Mapping[str, str]]) -> str:
    """Return how often a planted fault is found, and how often the verdict says the right thing about it."""
    planted = [row for row in rows if row["planted"] != "quiet"]

    def counted(column: str) -> tuple[int, int]:
        parts = [row[column].partition("/") for row in planted if row[column]]
        return sum(int(part) for part, _, _ in parts), sum(int(whole) for _, _, whole in parts)

    columns = {
        "found, *degraded* or *at risk*": "found",
        "right kind of cause": "kind",
        "right advice": "advice",
        "the changed input is named": "input named",
        "an unchanged input is named, too": "innocent named",
        "begin is dated within a day": "begin",
    }
    rarely = ", ".join(
        f"`{row['planted']}` ({row['found'].replace('/', ' of ')})"
        for row in planted
        if int(row["found"].partition("/")[0]) < 8
    )
    table = markdown(
        [f"{len(planted)} kinds of fault", "models"],
        [(words, "{:,} of {:,}".format(*counted(column))) for words, column in columns.items()],
    )
    return f"{table}\nFaults that were found in fewer than 8 of 10 models: {rarely}.\n"


def rows_of(table: Table, names: Sequence[str], without: Collection[str] = ()) -> str:
    """Return some rows of a table; ``without``: columns that are left out."""
    rows = table_rows(table.text(table.figures()))
    chosen = [row for name in names for row in rows if re.sub("`", "", row["row"]) == name]
    chosen = [{head: cell for head, cell in row.items() if head not in without} for row in chosen]
    return markdown(chosen[0], [row.values() for row in chosen])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
