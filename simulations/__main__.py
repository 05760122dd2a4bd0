"""Run the simulations, keep what they say, and write their tables into the documentation.

python -m simulations                               # all rows that were not run in full yet: an hour
python -m simulations --again --share 0.1 'quiet-*'  # some, anew, a tenth of the windows
python -m simulations --table                       # only write the tables anew
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from simulations.drift.table import PEERS
from simulations.frame import run
from simulations.tables import TABLES


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m simulations")
    parser.add_argument("names", nargs="*", help="of rows, * for anything; all where there is none")
    parser.add_argument("--share", type=float, default=1.0, help="of the windows of a full run")
    parser.add_argument("--again", action="store_true", help="also rows that were run in full")
    parser.add_argument("--table", action="store_true", help="run nothing, write the tables")
    parser.add_argument(
        "--peers", nargs="+", type=Path, default=[], metavar="FILE", help="run nothing, keep what they said"
    )
    said = parser.parse_args()
    for one in said.peers:
        told = json.loads(PEERS.read_text(encoding="utf-8")) | {one.stem: json.loads(one.read_text(encoding="utf-8"))}
        PEERS.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if not said.table and not said.peers:
        run(TABLES, said.names, said.share, again=said.again)
    for table in TABLES:
        table.write()


if __name__ == "__main__":
    main()
