"""Plant every fault fifty times, and write the results to evidence/explanations.json: ten minutes.

python -m simulations.explanations                 # all
python -m simulations.explanations mean quiet      # some
python -m simulations.explanations --table         # only print the table
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from simulations.explanations import flights

from .faults import FAULTS
from .figures import RUNS, measure, measure_quiet, read, table, write


def main(names: list[str]) -> None:
    """Run what was asked for, write down each as it comes."""
    known = read()
    for name in [*FAULTS, "quiet"] if "--table" not in names else []:
        if not names or name in names:
            known[name] = measure_quiet(3 * RUNS) if name == "quiet" else measure(FAULTS[name], RUNS)
            print(name, known[name], flush=True)
            write(known)
    print(table(known))
    if not names or "flights" in names:
        with tempfile.TemporaryDirectory() as directory:
            print(flights.told(flights.months(Path(directory))))


if __name__ == "__main__":
    main(sys.argv[1:])
