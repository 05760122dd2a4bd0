"""Train on the flights of January to March, and keep them as the baseline of the features."""

import driftline
import joblib
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS, CATEGORIES = ["departure_minute", "arrival_minute", "distance"], ["carrier", "origin", "dest"]
FEATURES = [*NUMBERS, *CATEGORIES]

flights = pd.read_parquet("training.parquet")
classifier = make_pipeline(
    make_column_transformer(
        (StandardScaler(), NUMBERS), (OneHotEncoder(min_frequency=50, handle_unknown="infrequent_if_exist"), CATEGORIES)
    ),
    LogisticRegression(max_iter=1000),
).fit(flights[FEATURES], flights["late"])
joblib.dump(classifier, "late.joblib")

# Driftline: what the features looked like in training
driftline.Baseline.from_frame(
    flights[FEATURES],
    score=classifier.predict_proba(flights[FEATURES])[:, 1],
    model="late-flights",
    version="2013-03",
    task="binary",
).save("late.baseline.json")
