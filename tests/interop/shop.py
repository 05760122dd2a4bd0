"""A program with our SDK: one prediction and a batch of three in one web request, then what really happened.

    python -m tests.interop.shop http://127.0.0.1:4318

Prints the trace id of the request.
"""

from __future__ import annotations

import sys

import driftline
import numpy as np
import pandas as pd
from opentelemetry import trace


def main(endpoint: str) -> None:
    """Predict, learn the truth, and send all of it."""
    driftline.configure(service_name="shop", endpoint=endpoint, environment="test")
    churn = driftline.Model("churn", task="binary", version="1")

    @churn.predict(id="order")
    def score(row: dict[str, object]) -> float:
        return 0.9 if row["plan"] == "gold" else 0.1

    @churn.predict(id="order")
    def score_many(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return frame["tenure"].to_numpy(np.float64) / 12.0

    with trace.get_tracer("shop").start_as_current_span("POST /score") as request:
        score({"order": "A-1", "plan": "gold", "tenure": 3.0})
        score_many(pd.DataFrame({"order": ["B-1", "B-2", "B-3"], "plan": "basic", "tenure": [1.0, 2.0, 3.0]}))
    for order in ("A-1", "B-1", "B-2", "B-3"):
        churn.outcome(order, actual=1)
    driftline.shutdown()
    print(f"{request.get_span_context().trace_id:032x}")


if __name__ == "__main__":
    main(sys.argv[1])
