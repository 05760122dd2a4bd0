"""Send the flights to the service over HTTP, in event time, and each outcome when its flight has landed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import numpy as np
import pandas as pd
from msgspec import Struct

from .data import FEATURES

SINGLE_EVERY = 10
"""Every so many requests one flight travels alone, as a single prediction."""
BATCH_HOURS = 6
"""The flights scheduled within these hours travel as one batch."""


class Progress(Struct, frozen=True):
    """Progress of the replay: event time, predictions and outcomes sent so far."""

    time: pd.Timestamp
    predictions: int
    outcomes: int


def _payload(rows: pd.DataFrame) -> list[dict[str, object]]:
    table = rows[["id", *FEATURES]].assign(time=rows["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    parsed: list[dict[str, object]] = json.loads(table.to_json(orient="records"))
    return parsed


def _send(client: httpx.Client, path: str, body: object) -> None:
    client.post(path, json=body).raise_for_status()


def replay(flights: pd.DataFrame, client: httpx.Client) -> Iterator[Progress]:
    """Replay the rows of :func:`data.replayed_rows`; yields after each request.

    Before a batch is predicted, everything that had landed by then is reported. Raises ``httpx.HTTPError`` when the
    service fails a request.
    """
    landings = flights.dropna(subset=["landed"]).sort_values("landed", kind="stable")
    landed_at = landings["landed"].to_numpy(dtype="datetime64[ns]")
    reports = (
        landings[["id"]].assign(late=landings["late"] == 1.0, time=landings["landed"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    ).to_dict(orient="records")
    slot = flights["time"].dt.floor(f"{BATCH_HOURS}h")
    reported = predicted = 0
    for number, (_, batch) in enumerate(flights.groupby(slot, sort=True)):
        first = batch["time"].iloc[0].tz_localize(None).to_datetime64()
        due = int(np.searchsorted(landed_at, first, side="right"))
        if due > reported:
            _send(client, "/landed", reports[reported:due])
            reported = due
        rows = _payload(batch)
        if number % SINGLE_EVERY == 0:
            _send(client, "/predict", rows.pop(0))
        if rows:
            _send(client, "/predict/batch", rows)
        predicted += len(batch)
        yield Progress(batch["time"].iloc[-1], predicted, reported)
    if reported < len(reports):
        _send(client, "/landed", reports[reported:])
    yield Progress(flights["time"].iloc[-1], predicted, len(reports))
