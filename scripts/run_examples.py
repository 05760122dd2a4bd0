"""Run examples, each as its reader does: `python scripts/run_examples.py`, `... 0 4 turn`.

Without arguments all of them. `turn` is one of those that are not named and not long, another every day. Prints what
each printed where it fails, and ends with 1 if any did.
"""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime

from driftline_processor.demo.examples import example_folders

LONG = {3, 5, 6, 9, 11, 15}
"""Those of more than a minute and a half on an idle machine: `.ci/run` has fifteen minutes for all it does."""


def main(words: list[str]) -> int:
    """Run the examples of the words; return the exit code."""
    known = [0, *example_folders()]
    named = [int(word) for word in words if word != "turn"]
    if "turn" in words:
        others = [number for number in known if number not in named and number not in LONG]
        named.append(others[datetime.now(UTC).toordinal() % len(others)])
    failed = [number for number in named or known if not run(number)]
    if failed:
        print(f"failed: {', '.join(f'driftline demo {number}' for number in failed)}", file=sys.stderr)
    return 1 if failed else 0


def run(number: int) -> bool:
    """Run one example and print a line; return whether it ended with 0."""
    started = time.monotonic()
    command = [sys.executable, "-m", "driftline_processor", "demo", str(number), *(["--once"] if number == 0 else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n")
    seen = done.stdout.count(" ✓ ")
    claims = f", {seen} of {seen + done.stdout.count(' ✗ ')} claims seen" if number else ""
    print(
        f"driftline demo {number}: exit code {done.returncode}{claims}, {time.monotonic() - started:.0f} s", flush=True
    )
    return done.returncode == 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
