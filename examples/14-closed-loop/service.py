"""The recommender: in which order a reader sees four articles. The lines below `# Driftline` are all that was added."""

import os

import driftline
import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI

classifier = joblib.load("clicks.joblib")
app = FastAPI()

# Driftline: the model, and what is recorded of each article that is shown
driftline.configure(service_name="news")
clicks = driftline.Model("clicks", task="binary", version="2026-02", baseline="clicks.baseline.json")


@clicks.predict(id="id", time="time")  # time=: hours of the past are replayed here
def score(articles: pd.DataFrame):
    return classifier.predict_proba(articles[list(classifier.feature_names_in_)])[:, 1]


@app.post("/page")
def page(articles: list[dict]) -> list[str]:
    scores = score(pd.DataFrame(articles))
    return [articles[at]["id"] for at in scores.argsort()[::-1]]


@app.post("/clicks")
def tracked(batch: list[dict]) -> dict:
    for one in batch:
        # Driftline: whether an article was clicked, from the tracking, hours later
        clicks.outcome(one["id"], actual=one["clicked"], time=one["time"])
    return {"taken": len(batch)}


@app.get("/healthz")
def healthz() -> str:
    return "ok"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), log_level="warning")
