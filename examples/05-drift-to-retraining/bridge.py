"""Between Alertmanager and Airflow: a webhook of the alert becomes the run that Driftline itself would start.

Both ask for a run of the same id, which is made of Driftline's alert, so Airflow has one, whoever asks first.
"""

import os

import httpx
import uvicorn
from fastapi import FastAPI, HTTPException

DRIFTLINE = os.environ.get("DRIFTLINE_URL", "http://127.0.0.1:8780")
AIRFLOW = os.environ.get("AIRFLOW_URL", "https://airflow.example.com")
WHO = {"username": os.environ.get("AIRFLOW_USER", "driftline"), "password": os.environ.get("AIRFLOW_PASSWORD", "none")}
POLICY, DAG = "dataset-drift", "retrain_rain"
app = FastAPI()


@app.post("/alerts")
def alerts(hook: dict) -> None:
    for model in {one["labels"]["ml_model_name"] for one in hook["alerts"] if one["labels"].get("policy") == POLICY}:
        found = httpx.get(f"{DRIFTLINE}/api/v1/alerts", params={"model": model, "state": "open"}).json()["alerts"]
        alert = next((one for one in found if one["policy"] == POLICY), None)
        if alert is None:
            raise HTTPException(503, "Driftline does not have the alert yet")  # Alertmanager asks again
        run = {
            "dag_run_id": f"driftline-{alert['id']}-airflow-retrain",
            "logical_date": None,
            "conf": {"model": model, "version": alert["version"], "since": alert["since"], "alert": alert["id"]},
        }
        token = httpx.post(f"{AIRFLOW}/auth/token", json=WHO).raise_for_status().json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.post(f"{AIRFLOW}/api/v2/dags/{DAG}/dagRuns", json=run, headers=headers, timeout=30)
        print(answer.status_code, run["dag_run_id"], flush=True)
        if answer.status_code != 409:  # 409: it is there
            answer.raise_for_status()


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8001")), log_level="warning")
