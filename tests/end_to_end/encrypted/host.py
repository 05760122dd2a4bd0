"""A service that sends everything that the SDK can send, and prints the answers: python host.py SECONDS."""

from __future__ import annotations

import sys
from typing import Any

import driftline
import pandas as pd


def main(seconds: float) -> None:
    """Send predictions, outcomes and a baseline within some seconds."""
    numbers = [float(n) for n in range(40)]
    baseline = driftline.Baseline.from_frame(
        pd.DataFrame({"amount": numbers}),
        score=[n / 40 for n in numbers],
        actual=[n % 2 for n in range(40)],
        model="churn",
        version="7",
        task="binary",
    )
    churn = driftline.Model("churn", version="7", baseline=baseline)

    @churn.predict(id="id")
    def score(row: dict[str, Any]) -> float:
        return float(row["amount"]) / 40

    for n in range(10):
        score({"id": f"id-{n}", "amount": float(n)})
    churn.outcome("id-0", actual=1)
    print("flushed", driftline.flush(seconds), flush=True)
    try:
        print("outcomes", churn.outcomes([(f"id-{n}", n % 2) for n in range(1, 4)]).accepted, flush=True)
    except (driftline.Undelivered, ValueError) as error:
        print("outcomes", error, flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]))
