"""The recommender: which five films a viewer sees first. The lines below `# Driftline` are all that was added."""

import os

import driftline
import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI
from simulator import FILMS  # your catalogue

taste = joblib.load("taste.joblib")
app = FastAPI()

# Driftline: a ranking, and what is recorded of each list
driftline.configure(service_name="films")
films = driftline.Model("films", task="ranking", version="2026-02", baseline="films.baseline.json")


@films.predict(id="id", time="time")  # time=: days of the past are replayed here
def recommend(viewer: dict) -> list[tuple[str, float]]:
    likes = dict(zip(taste.classes_, taste.predict_proba(pd.DataFrame([viewer]))[0], strict=True))
    scores = {film: likes[genre] * 0.9**place for genre in likes for place, film in enumerate(FILMS[genre])}
    return sorted(((film, float(score)) for film, score in scores.items()), key=lambda one: -one[1])[:5]


@app.post("/films")
def endpoint(viewer: dict) -> list[str]:
    return [film for film, _ in recommend(viewer)]


@app.get("/healthz")
def healthz() -> str:
    return "ok"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), log_level="warning")
