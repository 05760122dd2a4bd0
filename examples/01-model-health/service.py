"""The service of the call centre: who takes a deposit? The lines below `# Driftline` are all that was added."""

import os

import driftline
import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI, HTTPException

classifier = joblib.load("deposit.joblib")
FEATURES = list(classifier.feature_names_in_)
app = FastAPI()

# Driftline: the model, and what is recorded of each call of `score`
driftline.configure(service_name="call-centre")
deposit = driftline.Model("deposit", task="binary", version="2008-08", baseline="deposit.baseline.json")


@deposit.predict(id="id", time="time", slices=["contact"])  # time=: calls of the past are replayed here
def score(call: dict) -> float:
    return float(classifier.predict_proba(pd.DataFrame([call])[FEATURES])[0, 1])


@app.post("/score")
def endpoint(call: dict) -> dict:
    try:
        return {"subscribes": score(call)}
    except KeyError as missing:
        raise HTTPException(422, f"the call has no {missing}") from missing


@app.post("/contracts")
def contracts(signed: list[dict]) -> dict:
    for one in signed:
        # Driftline: what became of a call
        deposit.outcome(one["id"], actual=one["subscribed"], time=one["time"])
    return {"taken": len(signed)}


@app.get("/healthz")
def healthz() -> str:
    return "ok"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), log_level="warning")
