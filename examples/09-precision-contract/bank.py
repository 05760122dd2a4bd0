"""The bank around the model: it sends payments to Kafka, and its people review some of what is decided. Simulated."""

import json

import numpy as np
import pandas as pd
from confluent_kafka import Consumer, Producer
from driftline_processor.demo.stage import as_json

BANDS = {0.9: 0.1, 0.5: 0.75, 0.1: 0.3, 0.0: 0.04}
"""How probable a review is, by the lowest score: three in four of the doubtful flags, few of the others."""
SECONDS, LATE = (4, 10), 1_800
"""How long a review takes, and how much longer in the hour in which reviewers are late."""


def reviews(decisions: pd.DataFrame, late: pd.Timestamp) -> pd.DataFrame:
    """Return the reviews of some decisions, doubtful ones first: id, actual, weight and time.

    The reviewers find out whether a payment was fraud.

    Args:
        decisions: id, time, score and fraud of payments that were decided.
        late: The hour in which reviewers are late.
    """
    probability = np.select([decisions["score"] >= lowest for lowest in BANDS], [*BANDS.values()])
    lot = pd.util.hash_pandas_object(decisions["id"], index=False).to_numpy() / 2**64  # 0 to 1, in each run the same
    chosen = lot < probability
    rows = decisions[chosen]
    seconds = SECONDS[0] + (lot / probability)[chosen] * (SECONDS[1] - SECONDS[0])
    seconds = seconds + np.where(rows["time"].dt.floor("h") == late, LATE, 0)
    return pd.DataFrame(
        {
            "id": rows["id"],
            "actual": rows["fraud"],
            "weight": 1 / probability[chosen],  # how many payments like it the review stands for
            "time": rows["time"] + pd.to_timedelta(seconds.round(), "s"),
        }
    )


class Bank:
    """Pays by Kafka what is due, reads what the service decides, and lets people review some of it.

    Attributes:
        paid: All payments that were sent, with `fraud`, which only the simulator knows.
        decided: All decisions: id, score, flagged, version.
        reviewed: All reviews, in the order in which they were sent, with `sent`, the moment.
    """

    def __init__(self, address: str, late: pd.Timestamp) -> None:
        self._late, self._producer = late, Producer({"bootstrap.servers": address, "log_level": 0})
        self._decisions = Consumer(
            {"bootstrap.servers": address, "group.id": "bank", "auto.offset.reset": "earliest", "log_level": 0}
        )
        self._decisions.subscribe(["decisions"])
        self.paid, self.decided, self.reviewed = pd.DataFrame(), pd.DataFrame(), pd.DataFrame()
        nothing = pd.DataFrame({"id": [], "time": pd.to_datetime([], utc=True)})
        self._due = {"payments": nothing, "fraud-reviews": nothing}

    def plan(self, payments: pd.DataFrame) -> None:
        """Add payments that are sent when they are due."""
        self._due["payments"] = pd.concat([self._due["payments"], payments]).sort_values("time", kind="stable")

    def now(self) -> pd.Timestamp:
        """Return the time of the wall."""
        return pd.Timestamp.now("UTC")

    def step(self, now: pd.Timestamp) -> None:
        """Send what is due, and read what was decided."""
        self.paid = pd.concat([self.paid, self._send("payments", now)], ignore_index=True)
        records = [record for record in self._decisions.consume(10_000, timeout=0.2) if record.error() is None]
        if records:
            decided = pd.DataFrame([json.loads(record.value()) for record in records])
            self.decided = pd.concat([self.decided, decided], ignore_index=True)
            known = decided.merge(self.paid[["id", "time", "fraud"]], on="id")
            waiting = pd.concat([self._due["fraud-reviews"], reviews(known, self._late)])
            self._due["fraud-reviews"] = waiting.sort_values("time", kind="stable")
        sent = self._send("fraud-reviews", now).assign(sent=pd.Timestamp.now("UTC"))
        self.reviewed = pd.concat([self.reviewed, sent], ignore_index=True)

    def _send(self, topic: str, now: pd.Timestamp) -> pd.DataFrame:
        due = self._due[topic]["time"] <= now
        rows, self._due[topic] = self._due[topic][due], self._due[topic][~due]
        for name, row in zip(rows["id"], as_json(rows.drop(columns="fraud", errors="ignore")), strict=True):
            self._producer.produce(topic, key=name, value=json.dumps(row))
        self._producer.flush()
        return rows

    def known(self) -> pd.DataFrame:
        """Return all payments with their decision, and `weight` and `sent` of those that were reviewed."""
        decided = self.paid.merge(self.decided, on="id")
        return decided.merge(self.reviewed[["id", "weight", "sent"]], on="id", how="left")
