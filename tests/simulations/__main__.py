"""Run the simulations and keep what they say; write the table into the documentation.

python -m tests.simulations                      # all, in full: hours
python -m tests.simulations --share 0.1 quiet rate        # those that begin so, a tenth of the windows
python -m tests.simulations --table              # only write the table anew
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from .claims import CLAIMS
from .table import PEERS, RESULTS, write


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulations")
    parser.add_argument("names", nargs="*", help="beginnings of names; all where there is none")
    parser.add_argument("--share", type=float, default=1.0, help="of the windows of a full run")
    parser.add_argument("--table", action="store_true", help="run nothing, write the table")
    parser.add_argument("--peers", nargs="+", type=Path, default=[], metavar="FILE", help="what peers said")
    said = parser.parse_args()
    if said.peers:
        PEERS.write_text(json.dumps({one.stem: json.loads(one.read_text()) for one in said.peers}, indent=1) + "\n")
    for claim in CLAIMS.values():
        if said.table or said.peers or (said.names and not any(claim.name.startswith(name) for name in said.names)):
            continue
        start = time.process_time()
        found = claim.measure(max(1, round(claim.windows * said.share)), 1)
        _keep(RESULTS, claim.name, {name: float(f"{value:.4g}") for name, value in found.items()})
        verdict = "kept" if claim.kept(found) else "BROKEN"
        print(f"{claim.name:<22} {verdict:<7} {time.process_time() - start:6.0f} s  {found}", flush=True)
    write()


def _keep(path: Path, name: str, figures: dict[str, float]) -> None:
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | {name: figures}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
