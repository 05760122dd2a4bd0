"""Train on three weeks of February, and keep a baseline of the fourth, which the classifier has not seen."""

import driftline
import pandas as pd
from simulator import CATEGORIES, FEATURES, TRAINING, payments
from xgboost import XGBClassifier

rows = payments(-TRAINING, TRAINING, seed=1)
rows["merchant_category"] = pd.Categorical(rows["merchant_category"], CATEGORIES)
first = rows["at"] < rows["at"].min() + pd.Timedelta("21D")
train, held_out = rows[first], rows[~first]
classifier = XGBClassifier(n_estimators=80, max_depth=4, learning_rate=0.1, enable_categorical=True, random_state=0)
classifier.fit(train[FEATURES], train["fraud"])
classifier.save_model("fraud.ubj")

# Driftline: what the classifier does with payments like those that it knows
driftline.Baseline.from_frame(
    held_out[FEATURES],
    score=classifier.predict_proba(held_out[FEATURES])[:, 1],
    actual=held_out["fraud"],
    time=held_out["at"],
    model="fraud",
    version="2025-02",
    task="binary",
).save("fraud.baseline.json")
