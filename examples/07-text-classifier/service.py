"""The service of the support team: which queue gets a ticket? The lines below `# Driftline` are all that was added."""

import os
import sqlite3

import driftline
import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI

classifier = joblib.load("tickets.joblib")
app = FastAPI()
log = sqlite3.connect("tickets.sqlite", check_same_thread=False)
PROBABILITIES = [f"p_{queue}" for queue in classifier.classes_]
log.execute(f"CREATE TABLE tickets (id PRIMARY KEY, time, text, {', '.join(PROBABILITIES)}, queue)")

# Driftline: the model, whose texts stay here, and what is recorded of each call of `probabilities`
driftline.configure(service_name="support")
model = driftline.Model("tickets", task="multiclass", version="2025-05", baseline="tickets.baseline.json")


@model.predict(id="id", time="time")  # time=: tickets of the past are replayed here
def probabilities(tickets: pd.DataFrame):
    return classifier.predict_proba(tickets["text"])


@app.post("/tickets")
def route(inbox: list[dict]) -> list[str]:
    scores = probabilities(pd.DataFrame(inbox))
    with log:
        rows = [(one["id"], one["time"], one["text"], *p, None) for one, p in zip(inbox, scores.tolist(), strict=True)]
        log.executemany(f"INSERT INTO tickets VALUES ({', '.join('?' * len(rows[0]))})", rows)
    return classifier.classes_[scores.argmax(axis=1)].tolist()


@app.post("/closed")
def closed(tickets: list[dict]) -> dict:
    with log:
        log.executemany("UPDATE tickets SET queue = :queue WHERE id = :id", tickets)
    for ticket in tickets:
        # Driftline: the queue in which a ticket was closed
        model.outcome(ticket["id"], actual=ticket["queue"], time=ticket["time"])
    return {"closed": len(tickets)}


@app.get("/healthz")
def healthz() -> str:
    return "ok"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), log_level="warning")
