"""Train on the applications of autumn, and keep a baseline of later ones that the classifier has not seen."""

import driftline
import joblib
import pandas as pd
from simulator import FEATURES
from sklearn.ensemble import GradientBoostingClassifier

train, held_out = pd.read_parquet("autumn.parquet"), pd.read_parquet("winter.parquet")
classifier = GradientBoostingClassifier(random_state=12).fit(train[FEATURES], train["defaulted"])
joblib.dump(classifier, "credit.joblib")

# Driftline: what the classifier does with applications like those that it knows, in all and in each region
driftline.Baseline.from_frame(
    held_out[FEATURES],
    score=classifier.predict_proba(held_out[FEATURES])[:, 1],
    actual=held_out["defaulted"],
    time=held_out["time"],
    slices={"region": held_out["region"]},
    model="credit",
    version="2026-02",
    task="binary",
).save("credit.baseline.json")
