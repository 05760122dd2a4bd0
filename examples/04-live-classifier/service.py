"""The service as its team wrote it: for each departure, the probability that it arrives late. Nothing was added."""

import os

import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI

classifier = joblib.load("late.joblib")
app = FastAPI()


@app.post("/late")
def late(board: dict) -> dict:
    flights = pd.DataFrame(board["flights"])[list(classifier.feature_names_in_)]
    return {"flights": [{"late": score} for score in classifier.predict_proba(flights)[:, 1].tolist()]}


@app.get("/healthz")
def healthz() -> str:
    return "ok"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), log_level="warning")
