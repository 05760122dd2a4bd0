"""Train on the first calls, and keep a baseline of calls that the classifier has not seen."""

import driftline
import joblib
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS = ["age", "campaign", "previous"]
CATEGORIES = ["job", "marital", "education", "housing", "loan", "contact", "poutcome"]
FEATURES = [*NUMBERS, *CATEGORIES]

calls = pd.read_csv("calls.csv.gz")
train, held_out = calls[calls["split"] == "train"], calls[calls["split"] == "reference"]
classifier = make_pipeline(
    make_column_transformer((StandardScaler(), NUMBERS), (OneHotEncoder(handle_unknown="ignore"), CATEGORIES)),
    LogisticRegression(max_iter=1000),
).fit(train[FEATURES], train["subscribed"])
joblib.dump(classifier, "deposit.joblib")

# Driftline: what the classifier does with calls like those that it knows
driftline.Baseline.from_frame(
    held_out[FEATURES],
    score=classifier.predict_proba(held_out[FEATURES])[:, 1],
    actual=held_out["subscribed"],
    model="deposit",
    version="2008-08",
    task="binary",
).save("deposit.baseline.json")
