"""Train the ranking on the clicks of two weeks, and keep a baseline of their readers."""

import driftline
import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression

shown = pd.read_parquet("launch.parquet")  # one row for each article of a page, with `clicked`
classifier = LogisticRegression().fit(shown[["likes", "hours", "age", "minutes"]].to_numpy(), shown["clicked"])
joblib.dump(classifier, "feed.joblib")

# Driftline: the readers that the ranking was made for, and the score of the first article of each page
first = shown.assign(score=classifier.predict_proba(shown[["likes", "hours", "age", "minutes"]].to_numpy())[:, 1])
first = first.sort_values("score").groupby("page").last()
driftline.Baseline.from_frame(
    first[["age", "minutes", "favourite"]], score=first["score"], model="feed", version="1", task="ranking"
).save("feed.baseline.json")
