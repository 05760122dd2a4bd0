"""Train the recommender on the first clicks, and keep a baseline of impressions that it has not seen."""

import driftline
import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = ["visits", "affinity", "hours", "phone"]

shown = pd.read_parquet("february.parquet")  # one row for each article of a page, with `clicked`
train, held_out = shown[: len(shown) // 2], shown[len(shown) // 2 :]
classifier = make_pipeline(StandardScaler(), LogisticRegression()).fit(train[FEATURES], train["clicked"])
joblib.dump(classifier, "clicks.joblib")

# Driftline: scores and clicks, from which performance is estimated later; without clicks there is no estimate
driftline.Baseline.from_frame(
    held_out[FEATURES],
    score=classifier.predict_proba(held_out[FEATURES])[:, 1],
    actual=held_out["clicked"].astype(int),
    time=held_out["time"],
    model="clicks",
    version="2026-02",
    task="binary",
).save("clicks.baseline.json")
