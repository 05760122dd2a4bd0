"""Score a table of payments, or send reviews of it, as a batch job does; both leave as OTLP, for topics of Kafka."""

import sys

import driftline
import joblib
import pandas as pd

VERSION = "2026-03"

driftline.configure(service_name="fraud")
fraud = driftline.Model("fraud", task="binary", version=VERSION, baseline=f"fraud-{VERSION}.baseline.json")
classifier = joblib.load(f"fraud-{VERSION}.joblib")


@fraud.predict(id="id", time="time")
def score(rows: pd.DataFrame):
    return classifier.predict_proba(rows[list(classifier.feature_names_in_)])[:, 1]


table = pd.read_parquet(sys.argv[1])
if "actual" in table:
    for review in table.itertuples(index=False):
        fraud.outcome(review.id, review.actual, time=review.time, weight=review.weight)
else:
    parts = [table[first : first + 500] for first in range(0, len(table), 500)]
    table.assign(score=[one for part in parts for one in score(part)]).to_parquet(sys.argv[2])
driftline.shutdown()
