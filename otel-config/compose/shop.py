"""The example service of compose.yaml: predicts who leaves, and sends each outcome half a minute later.

Predictions go to the Collector, outcomes straight to Driftline, each with a token of its own. After ten minutes the
customers get younger, so that there is something to see.
"""

import csv
import json
import math
import os
import random
import ssl
import time
import urllib.request
from collections import deque
from pathlib import Path
from urllib.parse import quote

SECRETS = Path(os.environ.get("SHOP_SECRETS", "/secrets"))
OUTCOMES = os.environ.get("SHOP_OUTCOMES", "https://driftline:8780/v1/outcomes")
CUSTOMERS = Path(__file__).with_name("customers.csv")
BEFORE_DRIFT, OUTCOME_AFTER = 600.0, 30.0


def token(name: str) -> str:
    """Read a token."""
    return (SECRETS / f"{name}.token").read_text(encoding="ascii").strip()


os.environ["OTEL_EXPORTER_OTLP_CERTIFICATE"] = str(SECRETS / "ca.crt")
os.environ["OTEL_EXPORTER_OTLP_HEADERS"] = "authorization=" + quote(f"Bearer {token('shop')}")

import driftline  # noqa: E402 (the environment comes first)


def leaves(age: float, visits: float) -> float:
    """Return the probability that a customer leaves: the coefficients that examples/service/train.py learns."""
    return 1 / (1 + math.exp(-(2.376 - 0.0257 * age - 0.345 * visits)))


with CUSTOMERS.open(encoding="utf-8") as file:
    customers = [(float(row["age"]), float(row["visits"]), int(row["left"])) for row in csv.DictReader(file)]

driftline.configure(service_name="shop")
churn = driftline.Model(
    "churn",
    task="binary",
    version="1",
    baseline=driftline.Baseline.from_frame(
        {"age": [age for age, _, _ in customers], "visits": [visits for _, visits, _ in customers]},
        score=[leaves(age, visits) for age, visits, _ in customers],
        actual=[left for _, _, left in customers],
        model="churn",
        task="binary",
        version="1",
    ),
)


@churn.predict(id="customer")
def score(row: dict[str, object]) -> float:
    """Predict whether a customer leaves."""
    return leaves(float(str(row["age"])), float(str(row["visits"])))


def send(outcomes: list[dict[str, object]]) -> None:
    """Send outcomes to Driftline; they are sent again with the next ones if it does not answer."""
    request = urllib.request.Request(
        OUTCOMES,
        json.dumps({"model": "churn", "outcomes": outcomes}).encode(),
        {"content-type": "application/json", "authorization": f"Bearer {token('labels')}"},
    )
    with urllib.request.urlopen(request, timeout=10, context=ssl.create_default_context(cafile=SECRETS / "ca.crt")):
        print(f"sent {len(outcomes)} outcomes", flush=True)


def main() -> None:
    """Predict ten customers a second until the process ends."""
    chance = random.Random(7)
    begin, started = time.monotonic(), int(time.time())
    waiting: deque[tuple[float, dict[str, object]]] = deque()
    number = 0
    while True:
        age, visits, left = chance.choice(customers)
        if time.monotonic() - begin > BEFORE_DRIFT:
            age = max(18.0, age - 15)
        customer = f"{started}-{number}"
        score({"customer": customer, "age": age, "visits": visits})
        waiting.append((time.monotonic() + OUTCOME_AFTER, {"id": customer, "actual": left}))
        number += 1
        if number % 100 == 0:
            due = [outcome for at, outcome in waiting if at <= time.monotonic()]
            try:
                if due:
                    send(due)
                    for _ in due:
                        waiting.popleft()
            except OSError as error:
                print(f"outcomes wait: {error}", flush=True)
        time.sleep(0.1)


if __name__ == "__main__":
    main()
