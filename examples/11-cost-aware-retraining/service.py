"""The service of the planners: which articles will be sold out? `deployment.json` names the version that answers."""

import json
import os
from functools import cache
from pathlib import Path

import driftline
import joblib
import numpy as np
import pandas as pd
import uvicorn
from fastapi import FastAPI
from simulator import FEATURES

app = FastAPI()
driftline.configure(service_name="planning")  # Driftline


@cache
def expectation_of(version: str):
    scaler, network = joblib.load(f"models/stockout-{version}.joblib")
    # Driftline: each version is a handle of its own, and what is recorded of each call of `expect`
    baseline = f"models/stockout-{version}.baseline.json"
    model = driftline.Model("stockout", task="binary", version=version, baseline=baseline)

    @model.predict(id="id", time="time")  # time=: evenings of the past are replayed here
    def expect(articles: pd.DataFrame) -> np.ndarray:
        return network.predict_proba(scaler.transform(articles[FEATURES]))[:, 1]

    return expect


@app.post("/tonight")
def tonight(shop: dict) -> dict:
    version = json.loads(Path("deployment.json").read_text())["version"]
    return {"sold_out": expectation_of(version)(pd.DataFrame(shop["articles"])).tolist()}


@app.post("/delivered")
def delivered(articles: list[dict]) -> dict:
    for one in articles:
        # Driftline: what became of an article, whichever version answered
        driftline.Model("stockout").outcome(one["id"], actual=one["sold_out"], time=one["time"])
    return {"taken": len(articles)}


@app.get("/healthz")
def healthz() -> str:
    return "ok"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), log_level="warning")
