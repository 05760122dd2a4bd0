"""Train the models of four teams on February, and keep a baseline of rows that each has not seen."""

from pathlib import Path

import driftline
import joblib
import numpy as np
import simulator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

FOLDER = Path("trained")


def train(name: str, version: str, columns: list[str], rows) -> None:
    fitted, held_out = rows[::2], rows[1::2]
    ranks = QuantileTransformer(n_quantiles=200)
    classifier = make_pipeline(ranks, LogisticRegression()).fit(fitted[columns], fitted["actual"])
    joblib.dump(classifier, FOLDER / f"{name}.{version}.joblib")

    # Driftline: what the classifier does with rows like those that it knows
    driftline.Baseline.from_frame(
        held_out[columns],
        score=classifier.predict_proba(held_out[columns])[:, 1],
        actual=held_out["actual"],
        time=held_out["time"],
        model=name,
        version=version,
        task="binary",
    ).save(FOLDER / f"{name}.{version}.baseline.json")


random = np.random.default_rng(3)
FOLDER.mkdir()
for name, team, tier in simulator.fleet().itertuples():
    february = simulator.history(name, team, 2_000, random)
    for version in simulator.versions(name, tier):
        swapped = {"amount": "distance_km", "distance_km": "amount"} if version == simulator.SWAPPED else {}
        train(name, version, simulator.FEATURES[team], february.rename(columns=swapped))
