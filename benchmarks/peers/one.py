"""Measure one peer's way of doing one job, in the interpreter that has it: prints JSON.

python -m benchmarks.peers.one PEER JOB
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import tempfile
from collections.abc import Sequence

from .jobs import measure
from .ways import WAYS


def main(arguments: Sequence[str]) -> int:
    """Measure in a folder that is thrown away: some peers write files where they stand."""
    peer, job = arguments
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        way = WAYS[peer](job)
        found = None if way is None else {**measure(way), "kept": way.kept()}
        os.chdir("/")
    print(json.dumps({"version": importlib.metadata.version(peer), "found": found}), flush=True)
    os._exit(0)  # some keep threads and timers that nobody ends


if __name__ == "__main__":
    main(sys.argv[1:])
