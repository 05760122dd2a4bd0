"""What a process holds at most whose receiver is away, over the same process undecorated.

    python -m benchmarks.bench_memory

Peak resident memory of fresh interpreters. Each calls a model of 20 features without pause until the buffer and the
queue have both dropped rows for a while; nothing listens where records and distributions go. A loop that never pauses
is the worst there is: a service that is slower fills the same bounds, later.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

CASES = {"single rows": 1, "batches of 1,000 as an array": 1000, "batches of 1,000 as a DataFrame with texts": 1000}
SECONDS = 20.0
LIMIT_MIB = 224.0
"""The buffer's 32 MiB of rows and the queue's of records, and what a flush holds that turns 32 MiB of rows into columns
and bytes: it is made of as many again, about four times."""


def measure() -> dict[str, dict[str, float]]:
    """Return, per case, the peak in MiB of both, their difference, and the rows that were predicted."""
    results = {}
    for case in CASES:
        bare, ours = _child(case, "bare"), _child(case, "ours")
        over = ours["peak"] - bare["peak"]
        results[case] = {"bare": bare["peak"], "ours": ours["peak"], "over": over, "rows": ours["rows"]}
    return results


def _child(case: str, side: str) -> dict[str, float]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    command = [sys.executable, __file__, "--child", case, side, str(SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=variables)
    return dict(json.loads(done.stdout))


def child(case: str, side: str, seconds: float) -> None:
    """Predict for some seconds, and print the peak of this process in MiB and how many rows it predicted."""
    import driftline
    import numpy as np
    import pandas as pd

    model = driftline.Model("churn", task="binary", version="1")
    values = np.random.default_rng(3).random((1000, 20))
    frame = pd.DataFrame(values[:, :15], columns=[f"f{i}" for i in range(15)])
    for i in range(15, 20):
        frame[f"f{i}"] = [f"text {k}" for k in range(1000)]
    rows: list[dict[Any, Any]] = frame.to_dict("records")
    scores = values[:, 0].copy()

    def single(row: dict[str, Any]) -> float:  # noqa: ARG001
        return 0.25

    def batch(X: Any) -> Any:  # noqa: ARG001
        return scores

    predict: Callable[[Any], Any] = single if CASES[case] == 1 else batch
    if side == "ours":
        predict = model.predict(predict)
    else:
        model.predict(single)({"f0": 0.5})  # what the first record loads is there on both sides
        driftline.flush(1.0)
    inputs: list[Any] = rows if CASES[case] == 1 else [values if "array" in case else frame]
    done, end = 0, time.monotonic() + (seconds if side == "ours" else min(seconds, 1.0))
    while time.monotonic() < end:
        for each in inputs:
            predict({**each} if CASES[case] == 1 else each)
        done += 1000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**10 if sys.platform == "linux" else 2**20)
    print(json.dumps({"peak": peak, "rows": done}), flush=True)
    os._exit(0)  # what waits has nowhere to go


def main(arguments: Sequence[str]) -> int:
    """Print the table (or JSON with ``--json``); 1 when the limit is broken."""
    if "--child" in arguments:
        child(arguments[-3], arguments[-2], float(arguments[-1]))
    results = measure()
    if "--json" in arguments:
        print(json.dumps(results))
    for name, result in results.items():
        print(
            f"{name:<44} ours {result['ours']:6.0f} MiB   bare {result['bare']:6.0f} MiB   "
            f"{result['over']:.0f} more (limit {LIMIT_MIB:.0f}) after {result['rows'] / 1e6:.1f}M rows",
            file=sys.stderr,
        )
    return int(any(result["over"] > LIMIT_MIB for result in results.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
