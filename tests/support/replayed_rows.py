"""Rows of a binary model with planted faults, for replays and drills: as a frame, as files, and as OTLP requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from driftline.baseline.baseline import Baseline

from tests.support.service import Service

HOUR, DAY = pd.Timedelta("1h"), pd.Timedelta("1D")
START = pd.Timestamp("2026-03-02T00:00:00Z")
FEATURES = ["tenure", "charges"]
KEY: dict[str, Any] = {"model": "churn", "version": "1", "task": "binary"}


def drawn(
    rng: np.random.Generator, days: int, rows: int = 400, *, unit: range = range(0), concept: range = range(0)
) -> pd.DataFrame:
    """Return rows of some days with outcomes up to 16 hours later.

    Args:
        rng: Random generator.
        days: Number of days.
        rows: Rows a day.
        unit: Days on which an input is in another unit; scores and outcomes do not change.
        concept: Days on which each outcome is the opposite.
    """
    time = START + pd.to_timedelta(np.sort(rng.random(days * rows)) * days, unit="D").round("us")
    day = (time - START) // DAY
    tenure, charges = rng.gamma(2.0, 15.0, len(time)), rng.normal(70, 12, len(time))
    score = 1 / (1 + np.exp(-((tenure - 30) / 10 + (charges - 70) / 12 + rng.normal(0, 0.3, len(time)))))
    actual = (rng.random(len(time)) < score).astype(int)
    known = time + pd.to_timedelta(rng.uniform(1, 16, len(time)), unit="h").round("us")
    return pd.DataFrame(
        {
            "id": [f"r{row}" for row in range(len(time))],
            "time": time,
            "tenure": np.where(np.isin(day, [*unit]), 12 * tenure, tenure),
            "charges": charges,
            "score": score,
            "actual": np.where(np.isin(day, [*concept]), 1 - actual, actual),
            "known": known.where(known < time.max(), time.max()),
        }
    )


def baseline_of(rng: np.random.Generator) -> Baseline:
    """Return a baseline of ten days before the rows."""
    rows = drawn(rng, 10)
    return Baseline.from_frame(
        rows[FEATURES], score=rows["score"], actual=rows["actual"], time=rows["time"] - 12 * DAY, **KEY
    )


def write_files(folder: Path, rows: pd.DataFrame, baseline: Baseline) -> dict[str, Path]:
    """Write ``rows``, ``outcomes`` and ``baseline``, and return their paths."""
    paths = {name: folder / f"{name}.parquet" for name in ("rows", "outcomes")} | {"baseline": folder / "churn.json"}
    rows.drop(columns=["actual", "known"]).to_parquet(paths["rows"])
    rows[["id", "actual", "known"]].rename(columns={"known": "time"}).to_parquet(paths["outcomes"])
    baseline.save(paths["baseline"])
    return paths


def requests(rows: pd.DataFrame, baseline: Baseline, every: pd.Timedelta) -> Iterator[tuple[pd.Timestamp, list[bytes]]]:
    """Yield the end of each period, with the requests of a service with the SDK in it."""
    service = Service(resource={"service.name": "shop"})
    model = service.model("churn", version="1", baseline=baseline)
    now = rows.iloc[:0]

    @model.predict(id="id", time="time")
    def predict(_: pd.DataFrame) -> Any:
        return now["score"].to_numpy()

    end, until = rows["time"].max().ceil("h") + pd.Timedelta("15min"), START
    while until < end:
        since, until = until, min(until + every, end)
        now = rows[(rows["time"] >= since) & (rows["time"] < until)]
        predict(now[["id", "time", *FEATURES]])
        known = rows[(rows["known"] >= since) & (rows["known"] < until)]
        for id, actual, time in known.sort_values("known")[["id", "actual", "known"]].itertuples(index=False):
            model.outcome(id, actual=actual, time=time.to_pydatetime())
        service.flush()
        yield until, service.channel.bodies
        service.channel.forget()
