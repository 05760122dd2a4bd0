"""The credit service: how probable is it that an applicant falls behind? The lines below `# Driftline` were added."""

import os

import driftline
import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI

classifier = joblib.load("credit.joblib")
FEATURES = list(classifier.feature_names_in_)
app = FastAPI()

# Driftline: the model, and what is recorded of each call of `risk`
driftline.configure(service_name="credit-desk")
credit = driftline.Model("credit", task="binary", version="2026-02", baseline="credit.baseline.json")


@credit.predict(id="id", time="time", slices=["region"])  # time=: applications of the past are replayed here
def risk(application: dict) -> float:
    prediction = driftline.current()
    with prediction.stage("features"):
        row = pd.DataFrame([application])[FEATURES]
    with prediction.stage("model"):
        return float(classifier.predict_proba(row)[0, 1])


@app.post("/decide")
def decide(application: dict) -> dict:
    score = risk(application)
    return {"risk": score, "granted": score < 0.5}


@app.post("/instalments")
def instalments(reported: list[dict]) -> dict:
    for one in reported:
        # Driftline: what became of a credit
        credit.outcome(one["id"], actual=one["defaulted"], time=one["time"])
    return {"taken": len(reported)}


@app.get("/healthz")
def healthz() -> str:
    return "ok"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), log_level="warning")
