"""The fraud service: payments from Kafka in, decisions out. The lines below `# Driftline` are all that was added."""

import json
import os
from functools import cache

import driftline
import httpx
import joblib
import pandas as pd
from confluent_kafka import Consumer, Producer

brokers = {"bootstrap.servers": os.environ["KAFKA"]}
settings = {"group.id": "fraud", "auto.offset.reset": "earliest", "enable.auto.commit": False}
payments, decisions = Consumer({**brokers, **settings}), Producer(brokers)
deployer = httpx.Client(base_url=os.environ["DEPLOYER_URL"])

# Driftline: where telemetry goes is in the variables of OpenTelemetry
driftline.configure(service_name="fraud")


@cache
def scorer(version: str):
    classifier = joblib.load(f"fraud-{version}.joblib")
    # Driftline: the version of the model, and what is recorded of each batch that it scores
    fraud = driftline.Model("fraud", task="binary", version=version, baseline=f"fraud-{version}.baseline.json")

    @fraud.predict(id="id", time="time")
    def score(rows: pd.DataFrame):
        return classifier.predict_proba(rows[list(classifier.feature_names_in_)])[:, 1]

    return score


payments.subscribe(["payments"])
while True:
    records = [record for record in payments.consume(500, timeout=0.2) if record.error() is None]
    if records:
        rows = pd.DataFrame([json.loads(record.value()) for record in records])
        version = deployer.get("/models/fraud").raise_for_status().json()["version"]
        for name, score in zip(rows["id"], scorer(version)(rows).tolist(), strict=True):
            decision = {"id": name, "score": score, "flagged": score >= 0.5, "version": version}
            decisions.produce("decisions", key=name, value=json.dumps(decision))
        decisions.flush()
        payments.commit(asynchronous=False)
