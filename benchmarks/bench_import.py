"""What ``import driftline``, a first ``Model`` and the start of the processor cost in CPU time, in fresh interpreters.

    python -m benchmarks.bench_import

``import driftline`` is measured over ``import opentelemetry.sdk.trace``. The first ``Model`` is a ratio to importing
OpenTelemetry's SDK, numpy and the exporters in the same interpreter. Importing the service is a ratio to importing the
libraries that it cannot do without, in the same interpreter.

Promised: ``import driftline`` at most 15 ms more, the first ``Model`` at most 0.75 times its reference. The service is
shown, without a limit.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Sequence

LIMIT_MS = 15.0
LIMIT_FIRST_MODEL = 0.75
ROUNDS = 15
_MEASURE = """
import time
import opentelemetry.sdk.trace
start = time.process_time()
import driftline
print((time.process_time() - start) * 1000)
"""


_FIRST_MODEL = """
import time
begin = time.process_time()
import numpy, opentelemetry.sdk.trace
import opentelemetry.exporter.otlp.proto.http.metric_exporter, opentelemetry.exporter.otlp.proto.http.trace_exporter
start = time.process_time()
import driftline
driftline.Model("churn", task="binary")
print((time.process_time() - start) / (start - begin))
"""

_SERVICE = """
import time
begin = time.process_time()
import duckdb, grpc, numpy, pyarrow.compute, pydantic, starlette.responses, uvicorn
start = time.process_time()
import driftline_processor.service
print((time.process_time() - start) / (start - begin))
"""


def measure(code: str = _MEASURE) -> list[float]:
    """Return what each of ``ROUNDS`` interpreters printed: milliseconds of CPU for ``import driftline``."""
    outputs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(ROUNDS)
    ]
    return [float(output) for output in outputs]


def main(arguments: Sequence[str]) -> int:  # noqa: ARG001 - every benchmark takes its command line
    """Print the medians; 1 when one is above its limit."""
    median = statistics.median(measure())
    print(f"import driftline {median:.1f} ms over opentelemetry.sdk.trace (limit {LIMIT_MS})", file=sys.stderr)
    ratio = statistics.median(measure(_FIRST_MODEL))
    print(f"first Model {ratio:.2f} of OpenTelemetry, numpy, exporters (limit {LIMIT_FIRST_MODEL})", file=sys.stderr)
    service = statistics.median(measure(_SERVICE))
    print(f"the service {service:.2f} of the libraries that it needs", file=sys.stderr)
    return int(median > LIMIT_MS or ratio > LIMIT_FIRST_MODEL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
