import driftline
import joblib
from fastapi import FastAPI

driftline.configure(service_name="shop")  # leave out if OpenTelemetry is already set up
churn = driftline.Model("churn", task="binary", version="1")
classifier = joblib.load("churn.joblib")
app = FastAPI()


@churn.predict(id="customer")  # one row or a batch, sync or async
def score(row: dict) -> float:
    return classifier.predict_proba([[row["age"], row["visits"]]])[0, 1]


@app.post("/score")
def endpoint(row: dict) -> float:
    return score(row)
