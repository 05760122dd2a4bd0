"""Train the classifier that shop.py serves: who leaves, from age and visits in the last month."""

import csv

import joblib
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

with open("customers.csv") as file:
    customers = list(csv.DictReader(file))
rows = [[float(one["age"]), float(one["visits"])] for one in customers]
left = [int(one["left"]) for one in customers]

classifier = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, left)
joblib.dump(classifier, "churn.joblib")
print(f"churn.joblib: trained on {len(rows):,} customers, of whom {sum(left):,} left")
