"""The feed: which five articles a reader sees first. The lines below `# Driftline` are all that was added."""

import os

import driftline
import joblib
import numpy as np
import uvicorn
from fastapi import FastAPI

classifier = joblib.load("feed.joblib")
app = FastAPI()

# Driftline: a ranking, and what is recorded of each page
driftline.configure(service_name="feed")
feed = driftline.Model("feed", task="ranking", version="1", baseline="feed.baseline.json")


@feed.predict(features="reader", id="id", time="time")  # time=: days of the past are replayed
def page(reader: dict, articles: list) -> list:
    rows = [[one["topic"] == reader["favourite"], one["hours"], reader["age"], reader["minutes"]] for one in articles]
    scores = classifier.predict_proba(np.array(rows, dtype=float))[:, 1]
    best = np.argsort(-scores)[:5]
    return [(articles[at]["article"], float(scores[at])) for at in best]


@app.post("/page")
def endpoint(asked: dict) -> list:
    return [article for article, _ in page(asked["reader"], asked["articles"])]


@app.post("/click")
def click(clicked: dict) -> str:
    # Driftline: pages of which nobody says anything were not clicked
    feed.outcome(clicked["id"], item=clicked["article"], actual=1, time=clicked["time"])
    return "ok"


@app.get("/healthz")
def healthz() -> str:
    return "ok"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), log_level="warning")
