"""Train the models of all teams on February, and keep a baseline of cases that each has not seen."""

from pathlib import Path

import driftline
import joblib
import numpy as np
import simulator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

random = np.random.default_rng(15)
for name, team in simulator.fleet()[["model", "team"]].itertuples(index=False):
    february = simulator.history(name, team, 3_000, random)
    train, held_out = february[:1_000], february[1_000:]
    columns = simulator.FEATURES[team]
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(train[columns], train["actual"])
    Path(team).mkdir(exist_ok=True)
    joblib.dump(classifier, f"{team}/{name}.joblib")

    # Driftline: what the classifier does with cases like those that it knows
    driftline.Baseline.from_frame(
        held_out[columns],
        score=classifier.predict_proba(held_out[columns])[:, 1],
        actual=held_out["actual"],
        model=name,
        version="2026-02",
        task="binary",
    ).save(f"{team}/{name}.baseline.json")
