"""Request a prediction for random customers, and send what really happened: python traffic.py [--older YEARS]"""

import argparse
import csv
import json
import random
import time
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("--older", type=float, default=0, metavar="YEARS", help="Years that are added to every age.")
parser.add_argument("--rate", type=float, default=10, metavar="N", help="Predictions per second.")
parser.add_argument("--seconds", type=float, default=3600, metavar="S", help="How long to send.")
parser.add_argument("--service", default="http://127.0.0.1:8000", metavar="URL")
parser.add_argument("--driftline", default="http://127.0.0.1:8780", metavar="URL")
arguments = parser.parse_args()

with open("customers.csv") as file:
    customers = list(csv.DictReader(file))


def post(url: str, document: dict) -> None:
    """Send JSON."""
    headers = {"content-type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(document).encode(), headers)).close()


start, sent = time.time(), 0
while time.time() < start + arguments.seconds:
    customer = random.choice(customers)
    name = f"{customer['customer']}-{start:.0f}-{sent}"
    row = {"customer": name, "age": float(customer["age"]) + arguments.older, "visits": float(customer["visits"])}
    post(f"{arguments.service}/score", row)
    outcome = {"id": name, "actual": int(customer["left"])}
    post(f"{arguments.driftline}/v1/outcomes", {"model": "churn", "outcomes": [outcome]})
    sent += 1
    time.sleep(max(0.0, start + sent / arguments.rate - time.time()))
print(f"{sent:,} predictions and outcomes")
