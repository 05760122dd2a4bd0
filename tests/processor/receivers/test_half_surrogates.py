"""Half of a surrogate pair in a name: of a span, a log record, an outcome, a baseline; its neighbours arrive."""

from __future__ import annotations

import json

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.semconv import attributes as a
from driftline_processor.core.decode.requests import decode_traces
from driftline_processor.otlp.json_requests import protobuf_of
from starlette.testclient import TestClient

from tests.support.fake_intake import OutcomeIntake
from tests.support.fake_view import app_of
from tests.support.state_fixtures import Open
from tests.support.state_rows import NOON, Clock, predictions

HALF = "ch\ud800urn"


def spans(*names: str) -> bytes:
    """Return OTLP/JSON of a span of each model, as JavaScript may write it."""
    sent = [
        {
            "traceId": f"{at + 1:032x}",
            "spanId": f"{at + 1:016x}",
            "startTimeUnixNano": str(NOON + at),
            "endTimeUnixNano": str(NOON + at + 1_000),
            "attributes": [
                {"key": a.ML_MODEL_NAME, "value": {"stringValue": name}},
                {"key": a.ML_PREDICTION_SCORE, "value": {"doubleValue": 0.5}},
                {"key": a.ML_PREDICTION_ID, "value": {"stringValue": f"id-{at}"}},
            ],
        }
        for at, name in enumerate(names)
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": sent}]}]}).encode()


def test_a_span_of_json_with_half_a_pair_has_a_question_mark_and_its_neighbours_arrive() -> None:
    decoded = decode_traces(protobuf_of("traces", spans(HALF, "fine")), NOON)
    assert sorted(table.key.model for table in decoded.predictions) == ["ch?urn", "fine"]


def test_an_outcome_of_a_model_with_half_a_pair_is_refused_in_words() -> None:
    state = OutcomeIntake()
    body = json.dumps({"model": HALF, "outcomes": [{"id": "1", "actual": 1}]})
    answer = state.client.post("/v1/outcomes", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "half a surrogate pair" in answer.text


def test_a_baseline_with_half_a_pair_is_listed_with_a_question_mark(open_state: Open, clock: Clock) -> None:
    frame = {"age": np.arange(200.0), "p": np.linspace(0.0, 1.0, 200)}
    baseline = Baseline.from_frame(frame, score="p", model="churn", task="regression")
    text = baseline.to_json().replace('"churn"', '"ch\\ud800urn"')
    assert Baseline.from_json(text).model == "ch?urn"
    state = open_state()
    state.send(predictions(["one"], model="fine"), baselines=[text])
    state.view("fine")
    app = app_of(state.state, clock)
    answer = TestClient(app, base_url="http://localhost").get("/api/v1/models")
    assert answer.status_code == 200
    assert "fine" in [one["model"] for one in answer.json()["models"]]
