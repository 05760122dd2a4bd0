"""The instrumented service: FastAPI, scikit-learn, and Driftline's decorator on the prediction function.

python -m driftline_processor.demo.service DIRECTORY PORT
"""

from __future__ import annotations

import pickle
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import driftline
import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from .data import FEATURES
from .train import MODEL_NAME, MODEL_VERSION


class Landing(BaseModel):
    """A landed flight: the outcome of one prediction."""

    id: str
    late: bool
    time: datetime


def create_app(directory: Path) -> FastAPI:
    """Serve the model in ``directory``: one flight, many flights, and landings as outcomes."""
    classifier = pickle.loads((directory / "model.pickle").read_bytes())
    driftline.configure(service_name="flights")
    late = driftline.Model(MODEL_NAME, task="binary", version=MODEL_VERSION, baseline=directory / "baseline.json")
    app = FastAPI()

    @late.predict(id="id", time="time")
    def score_many(flights: pd.DataFrame) -> Any:
        return classifier.predict_proba(flights[FEATURES])

    @late.predict(id="id", time="time")
    def score_one(flight: dict[str, Any]) -> float:
        return float(classifier.predict_proba(pd.DataFrame([flight])[FEATURES])[0, 1])

    @app.post("/predict")
    def predict(flight: dict[str, Any]) -> dict[str, float]:
        return {"late": score_one(flight)}

    @app.post("/predict/batch")
    def predict_batch(flights: list[dict[str, Any]]) -> list[float]:
        frame = pd.DataFrame(flights)
        return [float(score) for score in score_many(frame)[:, 1]]

    @app.post("/landed")
    def landed(landings: list[Landing]) -> dict[str, int]:
        for landing in landings:
            late.outcome(landing.id, actual=landing.late, time=landing.time)
        return {"accepted": len(landings)}

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(Path(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
