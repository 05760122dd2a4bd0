"""The server of 52 models, in the versions that the deployer names. The lines below `# Driftline` were added."""

import os
from functools import cache

import driftline
import httpx
import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI, HTTPException

deployer = httpx.Client(base_url=os.environ["DEPLOYER_URL"], trust_env=False)
app = FastAPI()

# Driftline: every model of every team is recorded alike
driftline.configure(service_name="model-server")


@cache
def load(name: str, version: str):
    classifier = joblib.load(f"trained/{name}.{version}.joblib")
    # Driftline: one version of a model, and what is recorded of each call of `score`
    model = driftline.Model(name, version=version, baseline=f"trained/{name}.{version}.baseline.json")

    @model.predict(id="id", time="time")  # time=: days of the past are replayed here
    def score(rows: pd.DataFrame):
        return classifier.predict_proba(rows[list(classifier.feature_names_in_)])[:, 1]

    return model, score


def serving(name: str):
    return load(name, deployer.get(f"/models/{name}").raise_for_status().json()["version"])


@app.post("/score/{name}")
def endpoint(name: str, rows: list[dict]) -> list[float]:
    _, score = serving(name)
    try:
        return score(pd.DataFrame(rows)).tolist()
    except KeyError as missing:
        raise HTTPException(422, f"the rows have no {missing}") from missing


@app.post("/outcomes/{name}")
def outcomes(name: str, known: list[dict]) -> dict:
    model, _ = serving(name)
    for one in known:
        # Driftline: what became of a row
        model.outcome(one["id"], actual=one["actual"], time=one["time"])
    return {"taken": len(known)}


@app.get("/healthz")
def healthz() -> str:
    return "ok"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), log_level="warning")
