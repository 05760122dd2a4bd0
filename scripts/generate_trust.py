"""Fill the tables of docs/project/trust.md from evidence/*.json.

python -m scripts.generate_trust            write the tables
python -m scripts.generate_trust --check    exit 1 if one differs
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Sequence

from scripts.generated import ROOT, between_markers, write_or_check
from simulations.drift.normal_variation import USUAL
from simulations.drift.short_references import SHORT
from simulations.drift.table import DRIFT
from simulations.frame import Table, markdown, stored, table_rows
from simulations.verdicts import QUIET_LIVES

PAGE = ROOT / "docs" / "project" / "trust.md"
DRIFT_ROWS = (
    "quiet-50-1", "quiet-1000-20", "customers-0.5", "keyless-0.5", "days-1-20", "moved-0.2-1000-20",
)  # fmt: skip
POWER_ROWS = ("usual-0.02-0.0-14-10", "usual-0.02-0.5-14-10", "usual-0.1-0.0-60-10", "usual-0.1-0.5-30-1")
SHORT_ROWS = ("short-0.05-7-48", "short-0.5-7-48", "short-0.5-30-168", "timeless-0.05-30-24")
STREAM_ROWS = (
    "Driftline, state of the model when the window ended", "NannyML, realized performance",
    "Evidently, only its tests of log loss, AUC, MAE, for the worse", "River, ADWIN on the errors",
)  # fmt: skip
QUIET_ROWS = ("days", "keeps", "storms", "canary", "unknown")


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit code."""
    page = PAGE.read_text(encoding="utf-8")
    for name, text in tables().items():
        page = between_markers(page, name, text)
    return write_or_check({PAGE: page}, "differs from evidence/", __file__, arguments)


def tables() -> dict[str, str]:
    """Return the tables by name."""
    streams = stored("right_or_wrong")["streams"]
    return {
        "drift": rows_of(DRIFT, DRIFT_ROWS, without=("Evidently", "NannyML", "whylogs")),
        "power": rows_of(USUAL, POWER_ROWS),
        "short": rows_of(SHORT, SHORT_ROWS),
        "streams": markdown(streams[0], [row.values() for row in streams if next(iter(row.values())) in STREAM_ROWS]),
        "quiet": rows_of(QUIET_LIVES, [f"verdict-quiet-{name}" for name in QUIET_ROWS]),
    }


def rows_of(table: Table, names: Sequence[str], without: Collection[str] = ()) -> str:
    """Return some rows of a table; ``without``: columns that are left out."""
    rows = table_rows(table.text(table.figures()))
    chosen = [row for name in names for row in rows if re.sub("`", "", row["row"]) == name]
    chosen = [{head: cell for head, cell in row.items() if head not in without} for row in chosen]
    return markdown(chosen[0], [row.values() for row in chosen])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
