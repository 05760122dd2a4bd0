"""The service of the weather bureau: does it rain tomorrow? `deployment.json` names the version and its canary."""

import json
import os
from functools import cache
from pathlib import Path
from zlib import crc32

import driftline
import joblib
import numpy as np
import pandas as pd
import uvicorn
from fastapi import FastAPI
from train import FEATURES

app = FastAPI()
driftline.configure(service_name="forecasts")  # Driftline


@cache
def forecast_of(version: str):
    classifier = joblib.load(f"models/{version}.joblib")
    # Driftline: each version is a handle of its own, and what is recorded of each call of `forecast`
    model = driftline.Model("rain-tomorrow", task="binary", version=version, baseline=f"models/{version}.baseline.json")

    @model.predict(id="id", time="time")  # time=: readings of the past are replayed here
    def forecast(readings: pd.DataFrame) -> np.ndarray:
        return classifier.predict_proba(readings[FEATURES])[:, 1]

    return forecast


@app.post("/rain")
def rain(board: dict) -> dict:
    deployment = json.loads(Path("deployment.json").read_text())
    readings = pd.DataFrame(board["readings"])
    canary = readings["id"].map(lambda id: crc32(id.encode()) % 100 < deployment.get("canary_percent", 0)).to_numpy()
    scores = np.empty(len(readings))
    for version, rows in ((deployment["version"], ~canary), (deployment.get("canary"), canary)):
        if rows.any():
            scores[rows] = forecast_of(version)(readings[rows])
    return {"rain": scores.tolist()}


@app.post("/observed")
def observed(days: list[dict]) -> dict:
    for day in days:
        # Driftline: what became of a forecast, whichever version made it
        driftline.Model("rain-tomorrow").outcome(day["id"], actual=day["rain"], time=day["time"])
    return {"taken": len(days)}


@app.get("/healthz")
def healthz() -> str:
    return "ok"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), log_level="warning")
