"""Run the simulations and write their figures to ``evidence/*.json``.

python -m simulations                                 # all rows that have not been run in full: an hour
python -m simulations --again --share 0.1 'quiet-*'   # some rows, again, with a tenth of the windows
python -m simulations --table                         # only print the tables as Markdown
python -m simulations --table 'verdict_*'             # only print these tables
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from simulations.drift.table import PEERS
from simulations.frame import matches, run
from simulations.tables import TABLES


def main() -> None:
    """Run the requested rows or print the requested tables."""
    parser = argparse.ArgumentParser(prog="python -m simulations")
    parser.add_argument("names", nargs="*", help="patterns of rows; with --table, of tables (default: all)")
    parser.add_argument("--share", type=float, default=1.0, help="fraction of the windows of a full run")
    parser.add_argument("--again", action="store_true", help="also rows that have been run in full")
    parser.add_argument("--table", action="store_true", help="run nothing, print the tables")
    parser.add_argument(
        "--peers", nargs="+", type=Path, default=[], metavar="FILE", help="run nothing, store the results of peers"
    )
    options = parser.parse_args()
    for file in options.peers:
        results = json.loads(PEERS.read_text(encoding="utf-8")) | {
            file.stem: json.loads(file.read_text(encoding="utf-8"))
        }
        PEERS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if options.table:
        printed = [table.printed() for table in TABLES if matches(table.name, options.names)]
        if not printed:
            names = ", ".join(table.name for table in TABLES)
            parser.error(f"there is no table {' '.join(options.names)}; there are {names}")
        print("\n".join(printed))
    elif not options.peers:
        run(TABLES, options.names, options.share, again=options.again)


if __name__ == "__main__":
    main()
