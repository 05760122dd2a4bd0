"""The service of the payments team: how probable is fraud? The lines below `# Driftline` are all that was added."""

import os

import driftline
import pandas as pd
from driftline_integrations.flask import Route
from flask import Flask, request
from simulator import CATEGORIES, FEATURES
from xgboost import XGBClassifier

classifier = XGBClassifier()
classifier.load_model("fraud.ubj")
app = Flask(__name__)

# Driftline: the model, whose scores come from the classifier, and where rows and ids stand in a request
driftline.configure(service_name="payments")
fraud = driftline.Model("fraud", task="binary", version="2025-02", baseline="fraud.baseline.json")
classifier = fraud.instrument(classifier)
fraud.instrument(app, routes={"POST /score": Route(features="body:payments", id="payment", time="at")})


@app.post("/score")
def score() -> dict:
    payments = pd.DataFrame(request.get_json()["payments"])[FEATURES]
    payments["merchant_category"] = pd.Categorical(payments["merchant_category"], CATEGORIES)
    return {"payments": [{"fraud": one} for one in classifier.predict_proba(payments)[:, 1].tolist()]}


@app.get("/healthz")
def healthz() -> str:
    return "ok"


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
