"""The same service with Driftline beside it: `python monitored.py` instead of `python service.py`."""

import os

# Driftline: which model answers at which route, and where its features, ids and scores stand
import driftline
import uvicorn
from driftline_integrations.fastapi import Route
from service import app

driftline.configure(service_name="departures")
late_flights = driftline.Model("late-flights", version="2013-03", baseline="late.baseline.json")
late_flights.instrument(
    app,
    routes={"POST /late": Route(features="body:flights", id="id", time="time", score="flights.late")},
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), log_level="warning")
