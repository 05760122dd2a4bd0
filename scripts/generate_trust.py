"""Fill the tables of docs/project/trust.md from evidence/*.json.

python scripts/generate_trust.py            write the tables
python scripts/generate_trust.py --check    exit 1 if one differs
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from simulations.drift.table import DRIFT  # noqa: E402
from simulations.frame import EVIDENCE, Table, markdown, table_rows  # noqa: E402
from simulations.verdicts import CHANGED_LIVES, QUIET_LIVES  # noqa: E402

PAGE = ROOT / "docs" / "project" / "trust.md"
DRIFT_ROWS = (
    "quiet-50-1", "quiet-1000-20", "quiet-10000-200", "zipf-1000", "customers-0.5", "keyless-0.5", "days-1-20",
    "moved-0.2-1000-20", "moved-1.0-50-200",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit code."""
    before = PAGE.read_text(encoding="utf-8")
    after = before
    for name, text in tables().items():
        begin, end = f"<!-- begin: {name} -->\n", f"<!-- end: {name} -->\n"
        head, found, rest = after.partition(begin)
        if not found:
            raise SystemExit(f"docs/project/trust.md has no marker {begin.strip()}")
        after = head + begin + text + end + rest.partition(end)[2]
    if after == before:
        return 0
    if "--check" in arguments:
        print("docs/project/trust.md differs from evidence/; run: python scripts/generate_trust.py")
        return 1
    PAGE.write_text(after, encoding="utf-8")
    print("wrote docs/project/trust.md")
    return 0


def tables() -> dict[str, str]:
    """Return the tables by name."""
    streams = json.loads((EVIDENCE / "right_or_wrong.json").read_text(encoding="utf-8"))["streams"]
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
