"""POST /v1/cloudevents: a request and its response, as KServe and MLServer send them, become predictions."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline_processor.access.access import Access
from driftline_processor.access.routes import Authentication
from driftline_processor.core.decode.requests import Malformed
from driftline_processor.health import Counters
from driftline_processor.receipts import NOT_PERMITTED, Overloaded, Receipt
from driftline_processor.receivers import cloudevents_http
from driftline_processor.receivers.cloudevents_http import UNPAIRED, UNUSABLE_EVENT, Half, Options, Pairs
from httpx2 import Response
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.support.fake_intake import FakeIntake
from tests.support.running_service import get, running, url
from tests.support.waiting import wait_until

KSERVE = {
    "ce-specversion": "1.0",
    "ce-source": "http://localhost:9081/",
    "ce-inferenceservicename": "churn",
    "ce-namespace": "shop",
    "ce-component": "predictor",
    "content-type": "application/json",
}
"""Headers that KServe's logger sends with every event."""

FEATURES = {"age": 31, "plan": "basic"}
NAMED = f"{a.DRIFTLINE_FEATURE_VALUE}."


class Sender:
    """Sends events, and keeps the records that the processor is given."""

    def __init__(self, intake: FakeIntake | None = None) -> None:
        self.intake, self.counters = intake or FakeIntake(), Counters()
        app = Starlette(routes=cloudevents_http.routes(self.intake, self.counters, lambda: 7_000))
        self.client = TestClient(Authentication(app, Access.without_log_in()))

    def post(self, half: str, body: object, query: str = "", id: str = "c1", **headers: str) -> Response:
        kind = f"org.kubeflow.serving.inference.{half}"
        sent = {**KSERVE, "ce-id": id, "ce-type": kind, **headers}
        content = body if isinstance(body, str) else json.dumps(body)
        return self.client.post(f"/v1/cloudevents{query}", content=content, headers=sent)

    def call(self, request: object, response: object, query: str = "", **headers: str) -> list[dict[str, Any]]:
        first = self.post("request", request, query, **headers)
        assert (first.status_code, first.json()) == (202, {"rows": 0})
        assert self.post("response", response, query, **headers).status_code == 200
        return self.rows()

    def rows(self) -> list[dict[str, Any]]:
        """Return the attributes of each record that the processor was given."""
        found = []
        for signal, body in self.intake.taken:
            assert signal == "logs"
            for group in ExportLogsServiceRequest.FromString(body).resource_logs:
                records = [record for scope in group.scope_logs for record in scope.log_records]
                found += [{pair.key: _plain(pair.value) for pair in record.attributes} for record in records]
        return found


def _plain(value: Any) -> Any:
    if value.WhichOneof("value") == "array_value":
        return [_plain(item) for item in value.array_value.values]
    return getattr(value, value.WhichOneof("value"))


def tensor(name: str, shape: list[int], datatype: str, data: list[Any]) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def test_a_call_of_v1_is_a_prediction() -> None:
    [row] = Sender().call({"instances": [FEATURES]}, {"predictions": [0.8]})
    assert row == {
        a.ML_MODEL_NAME: "churn",
        a.ML_PREDICTION_ID: "c1",
        a.ML_PREDICTION_SCORE: 0.8,
        NAMED + "age": 31,
        NAMED + "plan": "basic",
    }


@pytest.mark.parametrize("time", ["9999-12-31T00:00:00Z", "1960-01-01T00:00:00Z", "soon"])
def test_an_event_with_a_time_that_no_record_can_have_has_that_of_its_arrival(time: str) -> None:
    sender = Sender()
    sender.call({"instances": [FEATURES]}, {"predictions": [0.8]}, **{"ce-time": time})
    [(_, body)] = sender.intake.taken
    [record] = ExportLogsServiceRequest.FromString(body).resource_logs[0].scope_logs[0].log_records
    assert record.time_unix_nano == 7_000


def test_the_response_may_arrive_first() -> None:
    sender = Sender()
    assert sender.post("response", {"predictions": [1]}).status_code == 202
    assert sender.post("request", {"instances": [FEATURES]}).status_code == 200
    [row] = sender.rows()
    assert (row[a.ML_PREDICTION_CLASS], row[NAMED + "age"]) == ("1", 31)


def test_calls_are_joined_by_id_and_service() -> None:
    sender, fraud = Sender(), {"ce-inferenceservicename": "fraud"}
    sender.post("request", {"instances": [{"age": 1}]}, id="x")
    sender.post("request", {"instances": [{"age": 2}]}, id="y")
    sender.post("request", {"instances": [{"age": 3}]}, id="y", **fraud)
    sender.post("response", {"predictions": [0.2]}, id="y")
    sender.post("response", {"predictions": [0.3]}, id="y", **fraud)
    sender.post("response", {"predictions": [0.1]}, id="x")
    found = [(row[a.ML_MODEL_NAME], row[NAMED + "age"], row[a.ML_PREDICTION_SCORE]) for row in sender.rows()]
    assert found == [("churn", 2, 0.2), ("fraud", 3, 0.3), ("churn", 1, 0.1)]


def test_several_rows_have_ids_and_the_features_of_the_address() -> None:
    request = {"instances": [[31, "basic"], [5, "pro"]]}
    rows = Sender().call(request, {"predictions": [[0.2, 0.8], [0.9, 0.1]]}, "?features=age,plan&version=7&model=ours")
    assert [row[a.ML_PREDICTION_ID] for row in rows] == ["c1.0", "c1.1"]
    assert [(row[NAMED + "age"], row[NAMED + "plan"]) for row in rows] == [(31, "basic"), (5, "pro")]
    assert [row[a.ML_PREDICTION_SCORE] for row in rows] == [0.8, 0.1]
    assert {(row[a.ML_MODEL_NAME], row[a.ML_MODEL_VERSION]) for row in rows} == {("ours", "7")}


def test_v2_with_one_tensor_and_classes() -> None:
    request = {"inputs": [tensor("input-0", [2, 2], "FP32", [31.5, 1.0, 5.0, 2.0])]}
    classes, scores = tensor("predict", [2, 1], "INT64", [1, 0]), [0.2, 0.8, 0.9, 0.1]
    outputs = [classes, tensor("predict_proba", [2, 2], "FP64", scores)]
    response = {"model_name": "other", "model_version": "v3", "outputs": outputs}
    rows = Sender().call(request, response, "?features=age,months")
    assert [(row[NAMED + "age"], row[NAMED + "months"]) for row in rows] == [(31.5, 1.0), (5.0, 2.0)]
    assert [(row[a.ML_PREDICTION_CLASS], row[a.ML_PREDICTION_SCORE]) for row in rows] == [("1", 0.8), ("0", 0.1)]
    assert {row[a.ML_MODEL_VERSION] for row in rows} == {"v3"}


def test_v2_with_a_tensor_per_feature() -> None:
    inputs = [tensor("age", [2], "INT64", [31, 5]), tensor("plan", [2, 1], "BYTES", [["basic"], ["pro"]])]
    rows = Sender().call({"inputs": inputs}, {"outputs": [tensor("y", [2], "FP32", [3.5, 4.5])]}, "?task=regression")
    assert [(row[NAMED + "age"], row[NAMED + "plan"]) for row in rows] == [(31, "basic"), (5, "pro")]
    assert [row[a.ML_PREDICTION_VALUE] for row in rows] == [3.5, 4.5]
    assert a.ML_PREDICTION_SCORE not in rows[0]


def test_three_scores_are_those_of_a_multiclass_model() -> None:
    [row] = Sender().call({"instances": [FEATURES]}, {"predictions": [[0.1, 0.2, 0.7]]})
    assert row[a.DRIFTLINE_PREDICTION_SCORES] == [0.1, 0.2, 0.7]


def test_an_error_is_a_failed_call() -> None:
    [row] = Sender().call({"instances": [FEATURES]}, {"error": "no such model"})
    assert (row[a.ERROR_TYPE], row[NAMED + "age"]) == ("inference_error", 31)


def test_structured_events_are_read() -> None:
    sender, kind = Sender(), "io.seldon.serving.inference"
    shared = {"specversion": "1.0", "source": "s", "id": "c1", "inferenceservicename": "churn"}
    response = base64.b64encode(b'{"predictions": [0.8]}').decode()
    batch: list[dict[str, Any]] = [
        {**shared, "type": f"{kind}.request", "time": "2026-11-20T08:00:00Z", "data": {"instances": [FEATURES]}},
        {**shared, "type": f"{kind}.response", "data_base64": response},
    ]
    headers = {"content-type": "application/cloudevents-batch+json"}
    assert sender.client.post("/v1/cloudevents", json=batch, headers=headers).json() == {"rows": 1}
    [(_, body)] = sender.intake.taken
    [group] = ExportLogsServiceRequest.FromString(body).resource_logs
    [record] = group.scope_logs[0].log_records
    assert record.time_unix_nano == 1_795_161_600 * 10**9
    headers = {"content-type": "application/cloudevents+json; charset=utf-8"}
    one = sender.client.post("/v1/cloudevents", json={**batch[0], "id": "c2"}, headers=headers)
    assert one.status_code == 202
    for event in batch:
        sender.client.post("/v1/cloudevents", json={**event, "id": 2**64 - 1}, headers=headers)
    assert [row[a.ML_PREDICTION_ID] for row in sender.rows()] == ["c1", str(2**64 - 1)]


@pytest.mark.parametrize(
    ("body", "query", "headers", "sentence"),
    [
        ({"instances": [1]}, "", {"ce-type": "dev.event"}, "ce-type: 'dev.event' is not supported; use org.kubeflow"),
        ({"instances": [1]}, "", {"ce-id": ""}, "ce-id is missing; a request and its response need the same ce-id"),
        ("not json", "", {}, "the payload has no rows; send instances, predictions, inputs or outputs in JSON"),
        ("{", "", {}, "the event cannot be read: Input data was truncated"),
        ("[" * 100_000, "", {}, "the event cannot be read: "),
        ({"inputs": [tensor("x", [2, 2], "FP32", [1.0])]}, "", {}, "the tensor 'x' has the shape [2, 2], but 1 values"),
        ({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32"}]}, "", {}, "the tensor 'x' has no data in JSON"),
        ({"instances": [1]}, "?task=guess", {}, "task: 'guess' is not supported; use binary, multiclass, regression"),
        ({"instances": [1]}, "?modle=x", {}, "'modle' is not a parameter of this address; did you mean 'model'?"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(
    body: object, query: str, headers: Mapping[str, str], sentence: str
) -> None:
    sender = Sender()
    answer = sender.post("request", body, query, **headers)
    assert answer.status_code == 400
    assert sentence in answer.text
    assert sender.intake.taken == []


def structured(half: str, data: object, id: str = "bad", service: str = "other") -> dict[str, Any]:
    kind = f"org.kubeflow.serving.inference.{half}"
    return {"specversion": "1.0", "source": "s", "id": id, "type": kind, "inferenceservicename": service, "data": data}


GOOD = [structured(half, data, "c1", "churn") for half, data in (("request", [[1]]), ("response", [0.5]))]
BATCH = {"content-type": "application/cloudevents-batch+json"}
BAD_TENSOR = {"inputs": [tensor("x", [2, 2], "FP32", [1.0])]}


@pytest.mark.parametrize(
    ("bad", "rows", "reason"),
    [
        ([5], 1, "the event is not a JSON object"),
        ([structured("request", None)], 1, "the payload has no rows"),
        ([structured("guess", [[1]])], 1, "ce-type: 'org.kubeflow.serving.inference.guess' is not supported"),
        ([structured("request", [[1]], id="")], 1, "ce-id is missing"),
        ([structured("request", BAD_TENSOR)], 1, "the event cannot be read: the tensor 'x' has the shape [2, 2]"),
        ([{**structured("request", None), "data_base64": "%"}], 1, "the event cannot be read: data_base64: "),
        (
            [structured("request", [[1], [2]], service=""), structured("response", [1, 2], service="")],
            2,
            "the model is",
        ),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_event_that_cannot_be_read_loses_no_other_event_of_its_batch(
    bad: list[Any], rows: int, reason: str, place: int
) -> None:
    sender = Sender()
    answer = sender.client.post("/v1/cloudevents", json=[*GOOD[:place], *bad, *GOOD[place:]], headers=BATCH)
    assert answer.status_code == 200
    [rejected] = answer.json()["rejected"]
    assert (answer.json()["rows"], rejected["index"]) == (1, place + len(bad) - 1)
    assert rejected["reason"].startswith(reason)
    assert [row[a.ML_PREDICTION_ID] for row in sender.rows()] == ["c1"]
    assert sender.counters.snapshot() == {(m.DRIFTLINE_REJECTED_ROWS, ((a.DRIFTLINE_REASON, UNUSABLE_EVENT),)): rows}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"text": "so nice \\ud83d"}', "truncated"),
        (b'{"predictions": [NaN]}', "invalid character"),
        (b'{"predictions": [-Infinity]}', "invalid"),
        (b'{"text": "\xff"}', "invalid"),
        (b'{"text": "\x01"}', "invalid character"),
        (b"[" * 3_000 + b"]" * 3_000, "recursion"),
        (b"{'a': 1}", "malformed"),
        (b"", "truncated"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_event_that_is_not_json_loses_no_other_event_of_its_batch(bad: bytes, reason: str, place: int) -> None:
    sender = Sender()
    events = [json.dumps(event).encode() for event in GOOD]
    body = b" [" + b",\n".join([*events[:place], bad, *events[place:]]) + b"]\n"
    answer = sender.client.post("/v1/cloudevents", content=body, headers=BATCH)
    assert answer.status_code == 200
    [rejected] = answer.json()["rejected"]
    assert (answer.json()["rows"], rejected["index"]) == (1, place)
    assert rejected["reason"].startswith("the event cannot be read: ")
    assert reason in rejected["reason"]
    assert [row[a.ML_PREDICTION_ID] for row in sender.rows()] == ["c1"]
    assert sender.counters.snapshot() == {(m.DRIFTLINE_REJECTED_ROWS, ((a.DRIFTLINE_REASON, UNUSABLE_EVENT),)): 1}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{}", "it is not a list"),
        (b"[{}] []", "it is not a list"),
        (b'["', "it is not a list"),
        (b"", "it is not a list"),
        (b"[" + b"," * 100_000 + b"]", "it contains 100,001 items; the maximum is 100,000"),
    ],
)
def test_a_batch_that_is_not_a_list_of_events_is_refused(body: bytes, reason: str) -> None:
    answer = Sender().client.post("/v1/cloudevents", content=body, headers=BATCH)
    assert (answer.status_code, answer.json()) == (400, {"error": f"the event cannot be read: {reason}"})


def test_a_call_that_the_intake_cannot_read_loses_no_other_call_of_its_batch() -> None:
    answers: list[Any] = [Malformed("too deep"), Receipt()]

    def answer() -> Receipt:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, Receipt)
        return found

    sender = Sender(FakeIntake(answer, later=True))
    batch = [structured("request", [[1]]), structured("response", [1]), *GOOD]
    said = sender.client.post("/v1/cloudevents", json=batch, headers=BATCH)
    assert (said.status_code, said.json()) == (200, {"rows": 1, "rejected": [{"index": 1, "reason": "too deep"}]})


def test_a_batch_without_a_readable_event_is_refused() -> None:
    sender = Sender()
    answer = sender.client.post("/v1/cloudevents", json=[5, structured("request", None)], headers=BATCH)
    assert (answer.status_code, sender.intake.taken) == (400, [])
    assert answer.json()["error"].startswith("the event is not a JSON object")


def test_an_answer_lists_the_first_rejected_events() -> None:
    sender = Sender()
    answer = sender.client.post("/v1/cloudevents", json=[*GOOD, *[5] * 1_002], headers=BATCH).json()
    assert (len(answer["rejected"]), answer["more_rejected"]) == (1_000, 2)


def test_names_must_be_as_many_as_values() -> None:
    sender = Sender()
    sender.post("request", {"instances": [[1, 2, 3]]}, "?features=age,plan")
    answer = sender.post("response", {"predictions": [1]}, "?features=age,plan")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("features: 2 names, but a row has 3 values")


def test_an_overloaded_processor_keeps_the_request_for_the_next_attempt() -> None:
    answers: list[Any] = [Overloaded(2.0), Receipt()]

    def answer() -> Receipt:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, Receipt)
        return found

    sender = Sender(FakeIntake(answer, later=True))
    sender.post("request", {"instances": [FEATURES]})
    refused = sender.post("response", {"predictions": [0.8]})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert sender.post("response", {"predictions": [0.8]}).json() == {"rows": 1}
    assert sender.rows()[0][NAMED + "age"] == 31


def half(number: int, response: bool = False, size: int = 10) -> Half:
    payload = b'{"instances": [1, 2]}'.ljust(size)
    return Half(("churn", "", "", str(number)), str(number), "churn", "", response, payload, 2, 1)


def test_a_request_without_a_response_is_counted_after_five_minutes() -> None:
    counters, now = Counters(), [0.0]
    pairs = Pairs(counters, lambda: now[0])
    assert pairs.join(half(1), Options()) is None
    now[0] = 301.0
    assert pairs.join(half(2), Options()) is None
    assert _unpaired(counters) == 2
    assert pairs.join(half(1, response=True), Options()) is None
    assert pairs.join(half(2, response=True), Options()) is not None


def test_waiting_events_are_bounded_in_number_and_bytes() -> None:
    counters = Counters()
    pairs = Pairs(counters, lambda: 0.0)
    for number in range(cloudevents_http.MAX_WAITING + 5):
        pairs.join(half(number), Options())
    assert _unpaired(counters) == 10
    counters = Counters()
    pairs = Pairs(counters, lambda: 0.0)
    for number in range(6):
        pairs.join(half(number, size=cloudevents_http.MAX_WAITING_BYTES // 3), Options())
    assert _unpaired(counters) == 4


def _unpaired(counters: Counters) -> float:
    labels = ((a.DRIFTLINE_REASON, UNPAIRED),)
    return counters.snapshot().get((m.DRIFTLINE_REJECTED_ROWS, labels), 0.0)


def test_calls_are_rows_of_the_model_in_the_processor(tmp_path: Path) -> None:
    with running(tmp_path) as service, httpx.Client(trust_env=False) as client:
        address = url(service, "http", "/v1/cloudevents")
        for number in range(30):
            for kind, body in (("request", {"instances": [{"age": number}]}), ("response", {"predictions": [0.25]})):
                sent = {**KSERVE, "ce-id": f"c{number}", "ce-type": f"org.kubeflow.serving.inference.{kind}"}
                assert client.post(address, json=body, headers=sent).is_success
        name = m.INSTRUMENTS[m.DRIFTLINE_PREDICTIONS].prometheus

        def counted() -> list[str]:
            return [line for line in get(service, "/metrics").text.splitlines() if line.startswith(f"{name}{{")]

        wait_until(lambda: sum(float(line.rpartition(" ")[2]) for line in counted()) >= 30)
        [line] = counted()
        assert 'ml_model_name="churn"' in line
        assert float(line.rpartition(" ")[2]) == 30
        answer = httpx.get(address, trust_env=False)
        assert (answer.status_code, answer.json()) == (405, {"error": "/v1/cloudevents takes POST, not GET"})


def test_a_token_for_one_model_sends_no_other_model(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("0123456789abcdef0123456789abcdef\n")
    secret.chmod(0o600)
    token = {"name": "kserve", "token_file": str(secret), "may": ["ingest"], "models": ["churn"]}
    bearer = {"authorization": f"Bearer {secret.read_text().strip()}"}
    with running(tmp_path / "state", auth={"tokens": [token]}) as service, httpx.Client(trust_env=False) as client:
        address = url(service, "http", "/v1/cloudevents")
        answers = []
        for model, headers in (("churn", bearer), ("fraud", bearer), ("churn", {})):
            for kind, body in (("request", {"instances": [FEATURES]}), ("response", {"predictions": [0.25]})):
                event = {"ce-id": "c1", "ce-type": f"org.kubeflow.serving.inference.{kind}"}
                sent = {**KSERVE, **event, "ce-inferenceservicename": model, **headers}
                answers.append(client.post(address, json=body, headers=sent))
        labels = ((a.DRIFTLINE_REASON, NOT_PERMITTED),)
        counters = service.health.counters
        wait_until(lambda: counters.snapshot().get((m.DRIFTLINE_REJECTED_ROWS, labels)) == 1)
    assert [answer.status_code for answer in answers] == [202, 200, 202, 200, 401, 401]


@pytest.mark.parametrize(
    ("request_body", "response", "predictions"),
    [
        ({"instances": [[1], [2]]}, {"predictions": [0.1, 0.2, 0.3]}, "3 predictions"),
        ({"instances": [[1], [2]]}, {"predictions": [0.1]}, "1 prediction"),
        ({"instances": [[1], [2]]}, {"predictions": [[0.1, 0.2, 0.7]]}, "1 prediction"),
        ({"instances": [[1], [2]]}, {"predictions": [{"score": 0.1}]}, "1 prediction"),
        (
            {"inputs": [tensor("x", [2, 2], "FP32", [1, 2, 3, 4])]},
            {"outputs": [tensor("y", [3, 1], "FP32", [0.1, 0.2, 0.3])]},
            "3 predictions",
        ),
    ],
)
def test_a_response_with_another_number_of_predictions_is_refused_counted_and_logged_once(
    request_body: object, response: object, predictions: str, caplog: pytest.LogCaptureFixture
) -> None:
    sender = Sender()
    for number in range(3):
        sender.post("request", request_body, id=f"{number}")
        answer = sender.post("response", response, id=f"{number}")
        assert answer.status_code == 400
        assert f"the response has {predictions}, but the request has 2 rows" in answer.text
    assert sender.rows() == []
    assert sender.counters.snapshot() == {
        (m.DRIFTLINE_REJECTED_ROWS, ((a.DRIFTLINE_REASON, UNUSABLE_EVENT),)): 6,
    }
    [line] = [record.getMessage() for record in caplog.records]
    assert f"the model 'churn' cannot be stored: the response has {predictions}, but the request has 2 rows" in line


def test_a_response_with_an_error_has_rows_with_the_error_and_no_prediction() -> None:
    rows = Sender().call({"instances": [[1], [2]]}, {"error": "out of memory"})
    assert [row[a.ERROR_TYPE] for row in rows] == ["inference_error"] * 2


def test_unusable_calls_of_any_number_of_models_are_logged_a_bounded_number_of_times(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sender = Sender()
    for number in range(cloudevents_http.MAX_LOGGED + 20):
        for half, body in (("request", {"instances": [[1], [2]]}), ("response", {"predictions": [1]})):
            sender.post(half, body, f"?model=m{number}", id=f"{number}")
    assert len(caplog.records) == cloudevents_http.MAX_LOGGED
