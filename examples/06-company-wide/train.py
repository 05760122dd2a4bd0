"""Train the models of all teams on February, and keep a baseline of rows that each has not seen."""

from pathlib import Path

import driftline
import joblib
import numpy as np
import simulator
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

random = np.random.default_rng(6)
for name, team in simulator.fleet()[["model", "team"]].itertuples(index=False):
    february = simulator.history(name, team, 2_000, random)
    train, held_out = february[::2], february[1::2]
    columns = simulator.FEATURES[team]
    texts = [column for column in columns if column == "channel"]
    classifier = make_pipeline(
        make_column_transformer((OneHotEncoder(), texts), remainder=StandardScaler()),
        LogisticRegression(max_iter=1000),
    ).fit(train[columns], train["actual"])
    Path(team).mkdir(exist_ok=True)
    joblib.dump(classifier, f"{team}/{name}.joblib")

    # Driftline: what the classifier does with rows like those that it knows
    scores = classifier.predict_proba(held_out[columns])
    binary = len(classifier.classes_) == 2
    driftline.Baseline.from_frame(
        held_out[columns],
        score=scores[:, 1] if binary else scores,
        classes=classifier.classes_.tolist(),
        actual=held_out["actual"],
        time=held_out["time"],
        model=name,
        version="2026-02",
        task="binary" if binary else "multiclass",
    ).save(f"{team}/{name}.baseline.json")
