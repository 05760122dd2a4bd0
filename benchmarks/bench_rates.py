"""How many cores a running processor needs for one model at a steady rate, beside a server that drops the same bytes.

    python -m benchmarks.bench_rates [SECONDS OF ONE MEASUREMENT]

Predictions of 20 features arrive four times per second, as spans over gRPC or as columnar records over HTTP, and are
stored in an empty database. In the last measurement of a rate, each prediction gets an outcome ten seconds later, in
as many requests. All CPU of the process is counted, also that of steps that run every second without any rows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import httpx

from .bench_end_to_end import bodies, columns, ours
from .bench_forward import bare, cpu, over_grpc, over_http, serving

RATES, SECONDS, WARM = (500, 2_000, 5_000), 40.0, 15.0
"""Rows per second, seconds of one measurement, and seconds before it."""

EVERY, LATER = 0.25, 40
"""Seconds between requests, and requests after which the outcomes of a request are sent."""

PERIOD = int(EVERY * 1e9)


def cores(target: Any, kind: str, rate: int, seconds: float, outcomes: bool = False) -> float:
    """Return the cores that a server needs."""
    of = max(1, round(rate * EVERY))
    with serving(target) as (pipe, grpc_address, rest), httpx.Client(trust_env=False, timeout=60) as client:
        http_address, _, pages = rest.partition(" ")
        outcome_address = f"http://{pages or http_address}/v1/outcomes"

        def send(number: int) -> None:
            if kind == "spans":
                over_grpc(grpc_address, bodies(of, of, number * of, PERIOD, 0))
            else:
                over_http(http_address, columns(of, of, number * of, PERIOD, 0), signal="logs")
            first = (number - LATER) * of
            if outcomes and first >= 0:
                rows = [{"id": f"row-{row:010d}", "actual": row % 2} for row in range(first, first + of)]
                client.post(outcome_address, json={"model": "churn", "outcomes": rows}).raise_for_status()

        requests = flow(send, WARM)
        before, began = cpu(pipe), time.monotonic()
        flow(send, seconds, requests)
        return (cpu(pipe) - before) / (time.monotonic() - began)


def flow(send: Callable[[int], None], seconds: float, first: int = 0) -> int:
    """Send numbered requests at a steady rate; return the number after the last."""
    began, last = time.monotonic(), first + round(seconds / EVERY)
    for number in range(first, last):
        time.sleep(max(0.0, began + (number - first) * EVERY - time.monotonic()))
        send(number)
    if time.monotonic() - began > 1.1 * seconds + 1:
        raise RuntimeError("this machine cannot send as much")
    return last


def main(arguments: list[str] | None = None) -> None:
    asked = [float(argument) for argument in (sys.argv[1:] if arguments is None else arguments)]
    (seconds,) = asked or [SECONDS]
    for rate in RATES:
        for kind, outcomes in (("spans", False), ("columns", False), ("columns", True)):
            words = f"{rate:,} rows/s as {kind}" + ", each with an outcome" * outcomes
            used, reference = cores(ours, kind, rate, seconds, outcomes), cores(bare, kind, rate, seconds / 2, outcomes)
            print(f"{words}: {used:.3f} cores, {used / reference:.1f}x the bare server's {reference:.3f}", flush=True)


if __name__ == "__main__":
    main()
