"""Plant every fault fifty times, keep what came of it, and write the table into docs/explain.md: ten minutes.

python -m tests.explained                 # all
python -m tests.explained mean quiet      # some
python -m tests.explained --table         # only write the table
"""

from __future__ import annotations

import sys

from .figures import RUNS, measure, measure_quiet, read, write


def main(names: list[str]) -> None:
    """Run what was asked for, write down each as it comes."""
    from .faults import FAULTS

    known = read()
    for name in [*FAULTS, "quiet"] if "--table" not in names else []:
        if not names or name in names:
            known[name] = measure_quiet(3 * RUNS) if name == "quiet" else measure(FAULTS[name], RUNS)
            print(name, known[name], flush=True)
            write(known)
    write(known)


if __name__ == "__main__":
    main(sys.argv[1:])
