"""A recommender whose click rate declines: hourly CTR and NDCG over OTLP and from files, with a `kill -9` between."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline

from tests.support import processes
from tests.support.service import Service

from .stage import Windows, evaluated, same

HOURS, LISTS, ITEMS = 4, 250, 12
START = pd.Timestamp("2026-03-02T08:00:00Z")
CUTOFFS = "[1, 10]"
CONFIGURATION = (
    "models: {feed: {task: ranking, baseline: feed.baseline.json, windows: [1h], performance: "
    f"{{outcomes: implicit, cutoffs: {CUTOFFS}}}}}}}\n"
)
HEADERS = {"content-type": "application/x-protobuf"}
KNOWN = ("value", "rows", "low", "high", "interval", "effective_rows")


def shown(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lists of five hours, and the clicks on them: fewer from hour to hour, and further down."""
    lists: list[dict[str, Any]] = []
    clicks: list[dict[str, Any]] = []
    for row in range((HOURS + 1) * LISTS):
        hour, at = row // LISTS, START + pd.Timedelta(hours=1) * (row / LISTS)
        items = rng.permutation(40)[:ITEMS]
        lists.append({"id": f"L{row}", "time": at, "age": float(rng.normal(40, 10)), "items": [f"p{i}" for i in items]})
        chance = (0.5 - 0.1 * hour) / (1 + np.arange(ITEMS) / (1 + hour))
        for rank in np.flatnonzero(rng.random(ITEMS) < chance / 3):
            later = at + pd.Timedelta(seconds=int(rng.integers(1, 600)))
            clicks.append({"id": f"L{row}", "item": f"p{items[rank]}", "actual": 1.0, "time": later})
        if row % 17 == 0:  # clicked, though it was not in the list; and a click that was none
            clicks.append({"id": f"L{row}", "item": "p99", "actual": 2.0, "time": at + pd.Timedelta(minutes=1)})
            wrong = {"id": f"L{row}", "item": f"p{items[0]}", "actual": 0.0, "time": at + pd.Timedelta(minutes=30)}
            clicks.append(wrong)
    return pd.DataFrame(lists), pd.DataFrame(clicks).sample(frac=1, random_state=1)


def sent(lists: pd.DataFrame, clicks: pd.DataFrame) -> list[bytes]:
    """Requests of the service: some lists, then clicks of any, and so on."""
    service = Service()

    @service.model("feed", "ranking", version="1").predict(id="id", time="time")
    def feed(user: dict[str, Any]) -> list[tuple[str, float]]:
        return [(item, 1 / (rank + 1)) for rank, item in enumerate(user["items"])]

    outcome = service.model("feed", "ranking", version="1").outcome
    for part in range(10):
        for row in lists.iloc[part::10].to_dict("records"):
            feed({"age": row["age"], "id": row["id"], "time": row["time"].to_pydatetime(), "items": row["items"]})
        for click in clicks.iloc[part::10].to_dict("records"):
            outcome(click["id"], item=click["item"], actual=click["actual"], time=click["time"].to_pydatetime())
        service.flush()
    return service.channel.bodies


def post(url: str, body: bytes) -> None:
    assert httpx.post(f"{url}/v1/logs", content=body, headers=HEADERS, trust_env=False).status_code == 200


def closed(web: str) -> Windows:
    answer = httpx.get(f"{web}/api/v1/models/feed/evaluations", params={"window": "1h"}, trust_env=False)
    return [one for one in (answer.json()["windows"] if answer.status_code == 200 else []) if one["closed"]]


def as_in_files(web: str, files: list[dict[str, dict[str, Any]]]) -> list[str]:
    """Wait until the processor says what the files say; return where it does not."""
    deadline = time.monotonic() + 60
    while (differs := same(told(closed(web)), files)) and time.monotonic() < deadline:
        time.sleep(0.3)
    return differs


def told(windows: Windows) -> list[dict[str, dict[str, Any]]]:
    realized = [one["performance"]["realized"] for one in windows[:HOURS]]
    return [{name: {key: one.get(key) for key in KNOWN} for name, one in each.items()} for each in realized]


def test_a_click_rate_that_declines_is_the_same_over_otlp_and_on_files_and_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(14)
    reference = {"age": rng.normal(40, 10, 2000)}
    Baseline.from_frame(reference, score=np.ones(2000), model="feed", task="ranking", version="1").save(
        "feed.baseline.json"
    )
    lists, clicks = shown(rng)
    bodies = sent(lists, clicks)
    with processes.process(tmp_path, CONFIGURATION) as first:
        otlp, _ = processes.addresses(first)
        for body in bodies[: len(bodies) // 2]:
            post(otlp, body)
        first.send_signal(signal.SIGKILL)
    lists.assign(score=1.0).to_parquet("lists.parquet")
    clicks.to_csv("clicks.csv", index=False)
    files = told(
        evaluated(
            *("evaluate", "lists.parquet", "--baseline", "feed.baseline.json", "--outcomes", "clicks.csv"),
            *("--window", "1h", "--performance", "driftline.yaml"),
        )
    )
    with processes.process(tmp_path, CONFIGURATION) as second:
        otlp, web = processes.addresses(second)
        for body in bodies:  # who saw no acknowledgement of the last ones sends all again
            post(otlp, body)
        assert as_in_files(web, files) == []

    rates = [hour["ctr"]["value"] for hour in files]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.7 * rates[0]
    assert [hour["ctr"]["rows"] for hour in files] == [LISTS] * HOURS
    assert files[0]["ndcg@10"]["value"] > files[-1]["ndcg@10"]["value"]

    ids = {row["id"]: at for at, row in enumerate(lists.to_dict("records"))}
    latest = clicks.sort_values("time", kind="stable").drop_duplicates(["id", "item"], keep="last")
    good = {(ids[one["id"]], one["item"]) for one in latest.to_dict("records") if one["actual"] > 0}
    hit = [any((row, item) in good for item in items) for row, items in enumerate(lists["items"])]
    assert rates == pytest.approx([np.mean(hit[hour * LISTS : (hour + 1) * LISTS]) for hour in range(HOURS)])
