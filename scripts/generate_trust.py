"""Fill the tables of docs/project/trust.md from evidence/*.json.

python -m scripts.generate_trust            write the tables
python -m scripts.generate_trust --check    exit 1 if one differs
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from scripts.generated import ROOT, between_markers, write_or_check
from simulations.drift.table import DRIFT
from simulations.frame import Table, markdown, stored, table_rows
from simulations.verdicts import CHANGED_LIVES, QUIET_LIVES

PAGE = ROOT / "docs" / "project" / "trust.md"
DRIFT_ROWS = (
    "quiet-50-1", "quiet-1000-20", "quiet-10000-200", "zipf-1000", "customers-0.5", "keyless-0.5", "days-1-20",
    "moved-0.2-1000-20", "moved-1.0-50-200",
)  # fmt: skip


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
        "drift": rows_of(DRIFT, DRIFT_ROWS),
        "quiet": rows_of(QUIET_LIVES, tuple(QUIET_LIVES.rows)),
        "changed": rows_of(CHANGED_LIVES, tuple(CHANGED_LIVES.rows)),
        "streams": markdown(streams[0], [row.values() for row in streams]),
    }


def rows_of(table: Table, names: Sequence[str]) -> str:
    """Return some rows of a table."""
    rows = table_rows(table.text(table.figures()))
    chosen = [row for name in names for row in rows if re.sub("`", "", row["row"]) == name]
    return markdown(chosen[0], [row.values() for row in chosen])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
