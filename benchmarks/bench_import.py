"""What ``import driftline`` costs over ``import opentelemetry.sdk.trace``, in fresh interpreters, alternating.

python -m benchmarks.bench_import
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Sequence

LIMIT_MS = 15.0
ROUNDS = 15
_MEASURE = """
import time
import opentelemetry.sdk.trace
start = time.process_time()
import driftline
print((time.process_time() - start) * 1000)
"""


def measure() -> list[float]:
    """Return the milliseconds of CPU that each of ``ROUNDS`` interpreters took for ``import driftline``."""
    outputs = [
        subprocess.run([sys.executable, "-c", _MEASURE], capture_output=True, text=True, check=True).stdout
        for _ in range(ROUNDS)
    ]
    return [float(output) for output in outputs]


def main(arguments: Sequence[str]) -> int:  # noqa: ARG001 - every benchmark takes its command line
    """Print the median; 1 when it is above the limit."""
    median = statistics.median(measure())
    print(f"import driftline {median:.1f} ms over opentelemetry.sdk.trace (limit {LIMIT_MS})", file=sys.stderr)
    return int(median > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
