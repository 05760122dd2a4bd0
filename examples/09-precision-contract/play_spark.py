"""The same contract where Spark counts the payments. Run it with `driftline demo 9 --engine spark`."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import simulator
from bank import reviews
from confluent_kafka import Producer
from driftline_processor.demo.peers import kafka
from driftline_processor.demo.peers.recorder import Asked, service
from driftline_processor.demo.stage import Stage
from play import HOUR, LIMIT, check_hours, check_without_weights, pages

NEEDS = {"pyspark": "pyspark"}
JARS = sorted(kafka.JARS.with_name("spark").glob("*.jar"))
"""Spark's source of Kafka, which `make interop` fetches; without them Spark fetches it."""

CHARGED = 600
"""Seconds for which the merchant charges its subscribers, in the last hour."""


class Gateway:
    """Writes each request of logs to the topic `otlp_logs`, unchanged, as the Kafka exporter of the Collector does."""

    def __init__(self, address: str) -> None:
        self._producer = Producer({"bootstrap.servers": address, "acks": "all", "log_level": 0})
        self.messages = 0

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        if asked.path == "/v1/logs":
            self._producer.produce("otlp_logs", asked.unpacked)
            self._producer.flush()
            self.messages += 1
        return 200, None


def play(stage: Stage) -> None:
    if not kafka.is_installed():
        raise RuntimeError("Spark reads a real broker of Kafka, and needs Java 17: install them, and run make interop")
    random = np.random.default_rng(9)
    began = pd.Timestamp.now("UTC").floor("h") - simulator.HOURS * HOUR
    stage.say("Training on the payments of a day")
    simulator.payments(began - 504 * HOUR, 24, "labelled", random).to_parquet(stage.folder / "labelled.parquet")
    stage.run("train.py")
    stage.say("Starting Kafka and the processor")
    shutil.copy(stage.folder / "spark.yaml", stage.folder / "driftline.yaml")
    topics = stage.enter(kafka.broker(stage.folder / "kafka", "otlp_logs", "otlp_spans"))
    gateway = Gateway(topics.address)
    stage.environment["DRIFTLINE_ENDPOINT"] = stage.enter(service(gateway)).url
    stage.start_processor()

    hours = [payments(began, hour, random) for hour in range(simulator.HOURS)]
    known = score(stage, pd.concat(hours[:-1]))
    reviewed = reviews(known, began + simulator.LATE * HOUR)
    is_late = reviewed["id"].isin(known["id"][known["time"].dt.floor("h") == began + simulator.LATE * HOUR])
    send_reviews(stage, reviewed[~is_late])
    fold(stage, topics.address)
    before = wait_until_counted(stage, len(known), (~is_late).sum())
    stage.wait_until_quiet()
    quiet = len(pages(stage))

    last = score(stage, hours[-1])
    reviewed_last = reviews(last, began)
    send_reviews(stage, reviewed[is_late])
    send_reviews(stage, reviewed_last)
    fold(stage, topics.address)
    every, all_reviews = pd.concat([known, last]), pd.concat([reviewed, reviewed_last])
    windows = wait_until_counted(stage, len(every), len(all_reviews))
    stage.wait_for(lambda: bool(pages(stage)))
    stage.wait_until_quiet()

    weights = all_reviews[["id", "weight"]]
    check_source(stage, every, all_reviews, gateway)
    check_hours(stage, every.merge(weights, on="id", how="left"), windows)
    check_without_weights(stage, known.merge(weights, on="id", how="left"))
    check_late(stage, before, windows, int(is_late.sum()))
    check_pages(stage, quiet, every, windows)


def payments(began: pd.Timestamp, hour: int, random: np.random.Generator) -> pd.DataFrame:
    """Return the payments of an hour, with the faults of the other play: the merchant charges in the last one."""
    start, taken_over = began + hour * HOUR, simulator.SHARE_TAKEN_OVER * (hour == simulator.TAKEN_OVER)
    paid = simulator.payments(start, 1, str(hour), random, taken_over)
    if hour == simulator.HOURS - 1:
        paid = pd.concat([paid, simulator.subscriptions(start + HOUR / 2, CHARGED, random)])
    return paid.sort_values("time", kind="stable")


def score(stage: Stage, paid: pd.DataFrame) -> pd.DataFrame:
    """Score payments in the batch job; return them with their decisions."""
    stage.say("Scoring", len(paid))
    paid.to_parquet(stage.folder / "payments.parquet")
    stage.run("batch.py", "payments.parquet", "scored.parquet")
    scored = pd.read_parquet(stage.folder / "scored.parquet")
    return scored.assign(flagged=scored["score"] >= 0.5)


def send_reviews(stage: Stage, reviewed: pd.DataFrame) -> None:
    """Send reviews by the batch job."""
    reviewed.to_parquet(stage.folder / "reviews.parquet")
    stage.run("batch.py", "reviews.parquet")


def fold(stage: Stage, address: str) -> None:
    """Let Spark count what is in the topic, and send the counts to the processor."""
    stage.say("Counting on Spark")
    gateway = stage.environment["DRIFTLINE_ENDPOINT"]
    stage.environment["DRIFTLINE_ENDPOINT"] = stage.otlp
    jars = [option for jar in JARS for option in ("--jars", str(jar))]
    try:
        stage.driftline(
            *("spark", "submit", "--config", "up.yaml", "--work", str(Path(stage.folder, "work"))),
            *("--brokers", address, "--span", "5m", "--trigger", "0s", "--master", "local[2]", *jars),
        )
    finally:
        stage.environment["DRIFTLINE_ENDPOINT"] = gateway


def wait_until_counted(stage: Stage, rows: int, outcomes: int) -> list[dict]:
    """Wait until the processor shows what Spark has counted; return the windows of an hour that are over."""
    stage.say("Evaluating", rows)

    def shown() -> tuple[int, int]:
        models = stage.get("/api/v1/models")["models"]
        return (models[0]["rows"], models[0]["outcomes"]) if models else (0, 0)

    stage.wait_for(lambda: shown() == (rows, outcomes), shown)
    stage.wait_for(lambda: sum(one["outcomes"]["rows"] for one in stage.windows("fraud", "1h")) == outcomes)
    return stage.windows("fraud", "1h")


def check_source(stage: Stage, every: pd.DataFrame, reviewed: pd.DataFrame, gateway: Gateway) -> None:
    model = stage.get("/api/v1/models")["models"][0]
    sources = sorted({one["source"] for one in model["pane_sources"]})
    panes = sum(1 for _ in (stage.folder / "work" / "panes").glob("start=*"))
    stage.claim(
        "Spark counts the payments and joins the reviews; the processor has not received a single row",
        sources == ["spark"] and (model["rows"], model["outcomes"]) == (len(every), len(reviewed)),
        f"{len(every):,} payments and {len(reviewed):,} reviews in {gateway.messages:,} messages of Kafka became "
        f"{panes:,} panes of 5 minutes",
    )


def check_late(stage: Stage, before: list[dict], windows: list[dict], late: int) -> None:
    first, then = (hours[simulator.LATE]["outcomes"]["rows"] for hours in (before, windows))
    stage.claim(
        "reviews that arrive after their hour was counted are joined by the next run of the job",
        late > 0 and (first, then) == (0, late),
        f"hour {before[simulator.LATE]['start'][11:16]}: {first} reviews after the first run, {then} after the second",
    )


def check_pages(stage: Stage, quiet: int, every: pd.DataFrame, windows: list[dict]) -> None:
    events = pages(stage)
    severities = [one["payload"]["severity"] for one in events]
    flagged = every[every["flagged"] & (every["time"].dt.floor("h") == every["time"].max().floor("h"))]
    truth, shown = flagged["fraud"].mean(), windows[-1]["performance"]["realized"]["precision"]["value"]
    stage.claim(
        "the broken contract pages people once, as critical; the hours before brought no page",
        quiet == 0 and severities == ["critical"] and shown < LIMIT and truth < LIMIT,
        f"precision of the last hour: {shown:.1%} with weights, {truth:.1%} in truth\n"
        + "\n".join(f"{one['payload']['severity']}: {one['payload']['summary']}" for one in events),
    )
