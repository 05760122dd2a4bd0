"""Every record of the SDK has the attributes that the registry names for its event, and no other."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from driftline.baseline.baseline import Baseline
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_INFO

from tests.support.service import Service

ROWS = 60


def registered() -> dict[str, set[str]]:
    """Return the attributes of each event in the registry."""
    events: dict[str, set[str]] = {}
    for file in ("core.yaml", "events.yaml", "additions/events.yaml"):
        text = (files("driftline.semconv") / "registry" / file).read_text(encoding="utf-8")
        for group in yaml.safe_load(text)["groups"]:
            name = group.get("name") or group.get("extends", "").removeprefix("event.")
            if group["type"] == "event" or name:
                events.setdefault(name, set()).update(one["ref"] for one in group["attributes"])
    return events


@pytest.mark.parametrize(
    ("task", "scores", "actual", "keys"),
    [
        ("binary", np.linspace(0.1, 0.9, ROWS), np.tile([0, 1], ROWS // 2), {"threshold": 0.4}),
        (
            "multiclass",
            np.tile([0.2, 0.3, 0.5], (ROWS, 1)),
            np.tile(["a", "b", "c"], ROWS // 3),
            {"classes": ["a", "b", "c"]},
        ),
        ("regression", np.linspace(1, 9, ROWS), np.linspace(1, 9, ROWS), {}),
    ],
    ids=["binary", "multiclass", "regression"],
)
def test_a_record_has_the_attributes_of_its_event_in_the_registry(
    task: str, scores: Any, actual: Any, keys: dict[str, Any]
) -> None:
    frame = pd.DataFrame({"age": np.arange(ROWS, dtype=float)})
    baseline = Baseline.from_frame(frame, score=scores, actual=actual, model="m", version="1", task=task, **keys)
    service = Service()
    model = service.model("m", version="1", baseline=baseline)
    model.predict(lambda rows: scores[: len(rows)])(frame)
    model.outcome("a", actual=actual[0])
    service.flush()
    records = [
        record
        for body in service.channel.bodies
        for of_resource in ExportLogsServiceRequest.FromString(body).resource_logs
        for scope in of_resource.scope_logs
        for record in scope.log_records
    ]
    sent = {(record.event_name, attribute.key) for record in records for attribute in record.attributes}
    assert {record.severity_number for record in records} == {SEVERITY_NUMBER_INFO}
    assert {event for event, _ in sent} == {"driftline.baseline", "driftline.prediction.batch", "ml.outcome"}
    events = registered()
    assert [(event, name) for event, name in sorted(sent) if name not in events[event]] == []
