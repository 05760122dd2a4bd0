"""Train a version of the model on some days, and keep a baseline of days that it has not seen."""

from pathlib import Path

import driftline
import joblib
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS = ["temperature", "night_minimum", "humidity", "pressure", "wind"]
FEATURES = ["station", *NUMBERS]


def train(seen: pd.DataFrame, held_out: pd.DataFrame, version: str) -> None:
    classifier = make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
            (OneHotEncoder(handle_unknown="ignore"), ["station"]),
        ),
        LogisticRegression(max_iter=1000),
    ).fit(seen[FEATURES], seen["rain"])
    joblib.dump(classifier, f"models/{version}.joblib")

    # Driftline: what this version does on days that it has not seen
    driftline.Baseline.from_frame(
        held_out[FEATURES],
        score=classifier.predict_proba(held_out[FEATURES])[:, 1],
        actual=held_out["rain"],
        time=held_out["time"],
        model="rain-tomorrow",
        version=version,
        task="binary",
    ).save(f"models/{version}.baseline.json")


if __name__ == "__main__":
    Path("models").mkdir(exist_ok=True)
    readings = pd.read_csv("readings.csv.gz", parse_dates=["time"])
    train(readings[readings["split"] == "train"], readings[readings["split"] == "reference"], "2015-02")
