"""Write docs/reference/tables.md from the declared columns of the tables of results.

python -m scripts.generate_tables            write the page
python -m scripts.generate_tables --check    exit 1 where it differs
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from driftline_processor.present.result_schema import TABLES, WINDOW_TABLES, ResultColumn

from scripts.generated import ROOT, write_or_check

PAGE = ROOT / "docs" / "reference" / "tables.md"

HEAD = """# Tables of results

This page lists the names, types and units of all columns that [`driftline export`](../see/sql.md) writes in each format. In Parquet files, the metadata of each column contains its description. The page is generated from the code.

```sql
SELECT model, window_start, metric, value, low, high
FROM read_parquet('results/metrics/*/*.parquet', hive_partitioning = true)
WHERE window_name = '1d' AND basis = 'realized' AND slice = ''
```

- A file is `TABLE/day=YYYY-MM-DD/part-0.parquet`. `day` (a date) is in the path, but not in the file. It is the UTC day of {days}.
- Times are `timestamp[us, UTC]`, texts are UTF-8. An unknown number is null, never 0 or NaN.
- A later release may add a column. It does not rename a column or change its type.
"""  # noqa: E501

DAYS = f"`window_start` in {', '.join(f'`{table}`' for table in WINDOW_TABLES)}, and of `first_seen` in `alerts`"

COMMON = tuple(column for column in TABLES["windows"] if all(column in TABLES[table] for table in WINDOW_TABLES))
"""The columns of every table of windows."""


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit code."""
    page = HEAD.replace("{days}", DAYS) + "".join(sections())
    return write_or_check({PAGE: page}, "differs from the tables", __file__, arguments)


def sections() -> Iterator[str]:
    """Yield the section of the common columns, and of each table."""
    yield "\n## Columns of each window\n\n"
    yield f"The tables {', '.join(f'`{table}`' for table in WINDOW_TABLES)} begin with these columns.\n\n"
    yield from rows(COMMON)
    for table, columns in TABLES.items():
        yield f"\n## `{table}`\n\n"
        yield from rows(column for column in columns if table not in WINDOW_TABLES or column not in COMMON)


def rows(columns: Iterable[ResultColumn]) -> Iterator[str]:
    """Yield the lines of a table of columns."""
    yield "| column | type | null | unit | meaning |\n|---|---|---|---|---|\n"
    for column in columns:
        null = "yes" if column.nullable else "no"
        yield f"| `{column.name}` | {column.type} | {null} | {column.unit} | {column.meaning} |\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
