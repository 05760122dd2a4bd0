"""Write docs/reference/tables.md from the declared columns of the tables of results.

python -m scripts.generate_tables            write the page
python -m scripts.generate_tables --check    exit 1 where it differs
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from driftline_processor.present.result_schema import TABLES, WINDOW_TABLES

from scripts.generated import ROOT, write_or_check

PAGE = ROOT / "docs" / "reference" / "tables.md"

HEAD = """# Tables of results

The columns of the tables that [`driftline export`](../see/sql.md) writes. This page is generated from the code; the files have the same descriptions in the metadata of their columns.

- Each file is `TABLE/day=YYYY-MM-DD/part-0.parquet`. `day` (date) is in the path only: the UTC day of {days}.
- Times are `timestamp[us, UTC]`. Texts are UTF-8. A number that is unknown is null, never 0 or NaN.
- A new column may be added in a later release. A column is not renamed, and its type does not change.
"""  # noqa: E501

DAYS = f"`window_start` in {', '.join(f'`{table}`' for table in WINDOW_TABLES)}, and of `first_seen` in `alerts`"


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit code."""
    page = HEAD.replace("{days}", DAYS) + "".join(sections())
    return write_or_check({PAGE: page}, "differs from the tables", __file__, arguments)


def sections() -> Iterator[str]:
    """Yield the section of each table."""
    for table, columns in TABLES.items():
        yield f"\n## `{table}`\n\n| column | type | null | unit | meaning |\n|---|---|---|---|---|\n"
        for column in columns:
            null = "yes" if column.nullable else "no"
            yield f"| `{column.name}` | {column.type} | {null} | {column.unit} | {column.meaning} |\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
