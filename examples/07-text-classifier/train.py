"""Train on three weeks of May, and keep a baseline of the fourth, whose tickets the classifier has not seen."""

import driftline
import joblib
from simulator import TRAINING, tickets
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

rows = tickets(-TRAINING, TRAINING, seed=1)
cut = len(rows) * 3 // 4
train, held_out = rows[:cut], rows[cut:].copy()
classifier = make_pipeline(TfidfVectorizer(min_df=5), LogisticRegression(max_iter=1000))
classifier.fit(train["text"], train["queue"])
joblib.dump(classifier, "tickets.joblib")
probabilities = [f"p_{queue}" for queue in classifier.classes_]
held_out[probabilities] = classifier.predict_proba(held_out["text"])

# Driftline: what tickets look like that the classifier knows, without their texts; columns are named as in the log
driftline.Baseline.from_frame(
    held_out,
    text_features=["text"],
    features=["text"],
    score=probabilities,
    actual="queue",
    time="time",
    id="id",
    classes=list(classifier.classes_),
    model="tickets",
    version="2025-05",
    task="multiclass",
).save("tickets.baseline.json")
