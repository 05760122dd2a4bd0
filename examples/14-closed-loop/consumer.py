"""Start the workflow `retrain.yml` once for each event that asks for it, as the team of the pipeline would write it."""

import json
import os

import httpx
from confluent_kafka import Consumer

github = httpx.Client(
    base_url="https://api.github.com/repos/example/news/actions/workflows/retrain.yml",
    headers={
        "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    },
)
events = Consumer(
    {
        "bootstrap.servers": os.environ["KAFKA"],
        "group.id": "retrain",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
)


def has_run(message: str) -> bool:
    """Return whether the event has started a run before: whatever is sent twice has the same id."""
    runs = github.get("/runs", params={"event": "workflow_dispatch", "per_page": 100}).raise_for_status().json()
    return any(run["display_title"].endswith(message) for run in runs["workflow_runs"])


events.subscribe(["model-events"])
while True:
    record = events.poll(1.0)
    if record is None or record.error():
        continue
    event = json.loads(record.value())
    if event["type"] == "io.driftline.alert.opened":
        if has_run(event["id"]):
            print(f"{event['id']} has its run", flush=True)
        else:
            inputs = {"message": event["id"], "model": event["data"]["model"], "since": event["data"]["since"]}
            github.post("/dispatches", json={"ref": "main", "inputs": inputs}).raise_for_status()
            print(f"{event['id']} started a run", flush=True)
    events.commit(record)  # not before: what fails is read again after the restart
