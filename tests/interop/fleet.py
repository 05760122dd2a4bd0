"""A program with our SDK: many models, and one whose rows stay in it.

    python -m tests.interop.fleet MODELS ROWS

Sends to where OTEL_EXPORTER_OTLP_ENDPOINT says: first ROWS predictions of each model, then an outcome of each.
"""

from __future__ import annotations

import sys

import driftline

FLUSHES = 10
"""Times that predictions are sent, and outcomes."""


def main(models: int, rows: int) -> None:
    """Predict, flush, and learn the truth."""
    driftline.configure(service_name="fleet")
    recorded = [driftline.Model(f"fleet-{at}", task="binary", version="1") for at in range(models)]
    counted = driftline.Model("fleet-metrics", task="binary", version="1", capture="none")

    def score(row: dict[str, str | float]) -> float:
        return float(row["age"]) / 100

    scorers = [model.predict(id="id")(score) for model in (*recorded, counted)]
    for part in range(FLUSHES):
        for row in range(part, rows, FLUSHES):
            for scorer in scorers:
                scorer({"id": f"p{row}", "age": float(row % 100)})
        driftline.flush(10)
    for part in range(FLUSHES):
        for row in range(part * rows // FLUSHES, (part + 1) * rows // FLUSHES):
            for model in recorded:
                model.outcome(f"p{row}", actual=row % 2)
        driftline.flush(10)
    driftline.shutdown()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
