"""The models of one team, which it names by `TEAM`. The lines below `# Driftline` are all that was added."""

import os
import time
from pathlib import Path

import driftline
import joblib
import uvicorn
from fastapi import FastAPI, HTTPException

TEAM = os.environ["TEAM"]
classifiers = {path.stem: joblib.load(path) for path in Path(TEAM).glob("*.joblib")}
app = FastAPI()

# Driftline: the team's models, and which groups of people are compared
driftline.configure(service_name=f"{TEAM}-models")
models = {
    name: driftline.Model(name, version="2026-02", baseline=f"{TEAM}/{name}.baseline.json") for name in classifiers
}
GROUPS = [] if TEAM == "payments" else ["age_group", "gender"]


def scoring(name: str):
    classifier = classifiers[name]
    columns = list(classifier.feature_names_in_)

    # Driftline: what is recorded of each call: features, score, duration, error, groups
    @models[name].predict(id="id", time="time", slices=GROUPS)  # time=: days of the past are replayed here
    def score(cases: list[dict]) -> list[float]:
        if any(case.get("slow") for case in cases):
            time.sleep(0.15)  # the list of merchants answers late: a seeded fault, real seconds
        rows = [[case[column] for column in columns] for case in cases]
        return classifier.predict_proba(rows)[:, 1].tolist()

    return score


score = {name: scoring(name) for name in classifiers}


@app.post("/score/{name}")
def endpoint(name: str, cases: list[dict]) -> list[float]:
    try:
        return score[name](cases)
    except KeyError as missing:
        raise HTTPException(422, f"a case has no {missing}") from missing


@app.post("/outcomes/{name}")
def outcomes(name: str, known: list[dict]) -> dict:
    for one in known:
        # Driftline: what became of a case
        models[name].outcome(one["id"], actual=one["actual"], time=one["known"])
    return {"taken": len(known)}


@app.get("/healthz")
def healthz() -> str:
    return "ok"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), log_level="warning")
