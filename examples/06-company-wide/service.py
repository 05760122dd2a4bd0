"""The models of one team, which it names by `TEAM`. The lines below `# Driftline` are all that was added."""

import os
from pathlib import Path

import driftline
import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI, HTTPException

TEAM = os.environ["TEAM"]
classifiers = {path.stem: joblib.load(path) for path in Path(TEAM).glob("*.joblib")}
app = FastAPI()

# Driftline: every model of every team is recorded alike; in Elasticsearch each team has a data stream of its own
driftline.configure(service_name=f"{TEAM}-models", resource_attributes={"data_stream.namespace": TEAM})
models = {
    name: driftline.Model(name, version="2026-02", baseline=f"{TEAM}/{name}.baseline.json") for name in classifiers
}


def scoring(name: str):
    @models[name].predict(id="id", time="time")  # time=: days of the past are replayed here
    def score(rows: pd.DataFrame):
        scores = classifiers[name].predict_proba(rows[list(classifiers[name].feature_names_in_)])
        return scores[:, 1] if scores.shape[1] == 2 else scores

    return score


score = {name: scoring(name) for name in classifiers}


@app.post("/score/{name}")
def endpoint(name: str, rows: list[dict]) -> list:
    try:
        return score[name](pd.DataFrame(rows)).tolist()
    except KeyError as missing:
        raise HTTPException(422, f"the rows have no {missing}") from missing


@app.post("/outcomes/{name}")
def outcomes(name: str, known: list[dict]) -> dict:
    for one in known:
        # Driftline: what became of a row
        models[name].outcome(one["id"], actual=one["actual"], time=one["known"])
    return {"taken": len(known)}


@app.get("/healthz")
def healthz() -> str:
    return "ok"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), log_level="warning")
