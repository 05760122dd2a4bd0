"""Train the classifier that shop.py serves: who leaves, from age and visits in the last month."""

import csv

import driftline
import joblib
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

with open("customers.csv") as file:
    customers = list(csv.DictReader(file))
rows = [[float(one["age"]), float(one["visits"])] for one in customers]
left = [int(one["left"]) for one in customers]
half = len(rows) // 2

classifier = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows[:half], left[:half])
joblib.dump(classifier, "churn.joblib")
print(f"churn.joblib: trained on {half:,} customers, of whom {sum(left[:half]):,} left")

# The baseline has the other half: on its own training rows, a model looks better than it is.
frame = {"age": [row[0] for row in rows[half:]], "visits": [row[1] for row in rows[half:]], "left": left[half:]}
frame["score"] = classifier.predict_proba(rows[half:])[:, 1]
baseline = driftline.Baseline.from_frame(frame, score="score", actual="left", model="churn", version="1", task="binary")
baseline.save("churn.baseline.json")
print(f"churn.baseline.json: the other {len(rows) - half:,} customers")
