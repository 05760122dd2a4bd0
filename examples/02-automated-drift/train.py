"""Train the recommender on a month of viewers, and store the reference with which each night is compared."""

import driftline
import joblib
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

FEATURES = ["age", "minutes", "drama", "genre"]

month = pd.read_parquet("february.parquet")  # one row for each visit, with the genre that was `watched`
taste = make_pipeline(
    make_column_transformer((StandardScaler(), ["age", "minutes", "drama"]), (OneHotEncoder(), ["genre"])),
    LogisticRegression(max_iter=1000),
).fit(month[FEATURES], month["watched"])
joblib.dump(taste, "taste.joblib")

# Driftline: the viewers that the recommender knows, and the score of the first film of each
driftline.Baseline.from_frame(
    month[FEATURES],
    score=taste.predict_proba(month[FEATURES]).max(axis=1),
    model="films",
    version="2026-02",
    task="ranking",
).save("films.baseline.json")
