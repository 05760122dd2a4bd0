"""The forecast of tomorrow's rain at a station. The lines below `# Driftline` are all that was added."""

import os

import driftline
import joblib
import pandas as pd
import uvicorn
from driftline_integrations.fastapi import Route
from fastapi import FastAPI
from feature_store import usual_rain

classifier = joblib.load("rain.joblib")
FEATURES = list(classifier.feature_names_in_)
app = FastAPI()

# Driftline: the model, and the one line that records what its classifier predicts
driftline.configure(service_name="weather-desk")
rain = driftline.Model("rain", version="2015", baseline="rain.baseline.json")
classifier = rain.instrument(classifier)

# Driftline: for this replay, whose days are past: the time of a prediction is in the request
rain.instrument(app, routes={"POST /stations/{station}/forecast": Route(id="id", time="time")})


@app.post("/stations/{station}/forecast")
def forecast(station: str, readings: dict) -> dict:
    usual = usual_rain(station, readings["time"])
    tomorrow = classifier.predict_proba(pd.DataFrame([readings])[FEATURES])[0, 1]
    return {"rain": float(tomorrow), "usual": usual}


@app.get("/healthz")
def healthz() -> str:
    return "ok"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), log_level="warning")
