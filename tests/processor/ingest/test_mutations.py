"""One changed field of one row costs at most that row: all others are stored, whatever the field has become."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.semconv import metrics as m
from driftline.tables.column_codec import encode, texts
from driftline.tables.table import Column
from driftline_processor.access.access import Access
from driftline_processor.access.routes import Authentication
from driftline_processor.config.model import Model
from driftline_processor.core.decode.requests import Malformed
from driftline_processor.core.decode.written_panes import MalformedPanes, parse_panes
from driftline_processor.health import Counters
from driftline_processor.receipts import Signal
from driftline_processor.receivers import cloudevents_http
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_DELTA
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.support.mutations import OUTCOME, ROW, batch, column_mutations, json_mutations, mutations
from tests.support.otlp_requests import FEATURE, SLICE, attributes, logs, record, span, traces
from tests.support.state_fixtures import Open, StateWithRoutes
from tests.support.state_rows import HOUR, NOON, Clock, Opened, baseline

pytestmark = pytest.mark.slow


def healthy(number: int) -> dict[str, Any]:
    """Return a prediction; half of them are of the model of the changed rows, half of another one."""
    return {a.ML_MODEL_NAME: ("churn", "fraud")[number % 2], a.ML_PREDICTION_SCORE: 0.5, FEATURE + "age": 30.0}


def span_requests() -> Iterator[bytes]:
    row = {**ROW, a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: NOON}
    base = span(row, trace_state="ot=th:8", start_time_unix_nano=NOON, end_time_unix_nano=NOON + 10**6)
    base.status.code = Status.STATUS_CODE_ERROR
    for number, mutated in enumerate(mutations(base)):
        ids = ({**healthy(k), a.ML_PREDICTION_ID: f"{number}-{k}"} for k in range(2))
        others = [span(one, start_time_unix_nano=NOON, end_time_unix_nano=NOON + 1) for one in ids]
        yield traces([others[0], mutated, others[1]])


def record_requests() -> Iterator[bytes]:
    base = record(events.ML_PREDICTION, {**ROW, a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: NOON}, time_unix_nano=NOON)
    for number, mutated in enumerate(mutations(base)):
        ids = ({**healthy(k), a.ML_PREDICTION_ID: f"{number}-{k}"} for k in range(2))
        others = [record(events.ML_PREDICTION, one, time_unix_nano=NOON) for one in ids]
        yield logs([others[0], mutated, others[1]])


COLUMNS: dict[str, Any] = {
    a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: np.array([NOON, NOON, NOON]),
    a.ML_PREDICTION_ID: texts(["x", "y", "z"]),
    a.ML_PREDICTION_SCORE: np.array([0.1, 0.2, 0.3]),
    a.DRIFTLINE_PREDICTION_SCORES: np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]]),
    a.ML_PREDICTION_VALUE: np.array([0.1, 0.2, 0.3]),
    a.ML_PREDICTION_CLASS: Column(codes=np.array([0, 1, 0], np.int32), categories=("no", "yes")),
    a.DRIFTLINE_PREDICTION_DURATION: np.array([0.1, 0.2, 0.3]),
    a.ERROR_TYPE: Column(codes=np.array([-1, 0, -1], np.int32), categories=("E",)),
    a.DRIFTLINE_PREDICTION_ITEM_COUNT: np.array([1, 1, 1]),
    FEATURE + "age": np.array([0.5, 1.5, 2.5]),
    FEATURE + "plan": Column(np.array([1.0, np.nan, np.nan]), np.array([-1, 0, 1], np.int32), ("pro", "free")),
    FEATURE + "vector": Column(vectors=np.ones((3, 4), np.float32)),
    SLICE + "country": texts(["de", "at", "ch"]),
}
"""The columns of a batch, of every kind."""


def changed_columns() -> Iterator[dict[str, Any]]:
    """Yield columns in which the second row has another value."""
    for name, column in COLUMNS.items():
        if isinstance(column, np.ndarray):
            for number in (0, -1, 2**31, 2**63 - 1, -(2**63), np.nan, np.inf, -np.inf, 1e308, 5e-324):
                whole = column.dtype.kind == "i"
                if whole and not isinstance(number, int):
                    continue
                values = column.copy()
                values[1] = number if whole else float(number)
                yield {**COLUMNS, name: values}
        for text in ("", "\0", "a" * 1025, "\U0001f600" * 50, "nan", "1e999"):
            if isinstance(column, Column) and column.codes is not None:
                yield {**COLUMNS, name: Column(column.numbers, np.array([0, 1, 0], np.int32), ("pro", text))}
            elif not isinstance(column, np.ndarray | Column):
                yield {**COLUMNS, name: texts(["x", text, "z"])}


def columnar_requests() -> Iterator[bytes]:
    """Yield three batches, of which one row, or the bytes of one column, of the second is changed."""
    second = [batch(columns) for columns in changed_columns()]
    for name, data in encode(COLUMNS).items():
        second += [batch(COLUMNS, {name: changed}) for changed in column_mutations(data)]
    second += mutations(batch({a.ML_PREDICTION_SCORE: np.array([0.5])}, {}, **{a.ML_MODEL_TASK: "binary"}))
    for number, mutated in enumerate(second):
        others = [
            batch(
                {
                    a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: np.array([NOON]),
                    a.ML_PREDICTION_ID: texts([f"{number}-{k}"]),
                    a.ML_PREDICTION_SCORE: np.array([0.5]),
                },
                {},
                **{a.DRIFTLINE_BATCH_ID: f"{number}-{k}"},
            )
            for k in range(2)
        ]
        yield logs([others[0], mutated, others[1]])


def outcome_requests() -> Iterator[bytes]:
    at = {a.DRIFTLINE_OUTCOME_TIME_UNIX_NANO: NOON, a.DRIFTLINE_OUTCOME_PREDICTION_TIME_UNIX_NANO: NOON}
    base = record(events.ML_OUTCOME, {**OUTCOME, a.ML_PREDICTION_ID: "changed", **at}, time_unix_nano=NOON)
    for number, mutated in enumerate(mutations(base)):
        others = [
            record(
                events.ML_OUTCOME,
                {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_ID: f"{number}-{k}", a.ML_OUTCOME_ACTUAL: 1},
                time_unix_nano=NOON,
            )
            for k in range(2)
        ]
        yield logs([others[0], mutated, others[1]])


def store(state: Opened, signal: Signal, requests: Iterable[bytes]) -> int:
    """Send all requests and return their number; no receiver may refuse one for a value in it."""
    bodies = list(requests)
    with state.state._analysis._stepping:  # so that blocks are large, as under load
        for body in bodies:
            try:
                state.state.submit(signal, body).result(60)
            except Malformed as error:
                pytest.fail(f"a request is refused: {error}")
    return len(bodies)


def faults(state: Opened) -> tuple[float, float]:
    return state.counted("not_stored"), state.counted("not_decoded")


@pytest.mark.parametrize(
    ("signal", "requests", "table"),
    [
        ("traces", span_requests, "predictions"),
        ("logs", record_requests, "predictions"),
        ("logs", columnar_requests, "predictions"),
        ("logs", outcome_requests, "outcomes"),
    ],
)
def test_all_other_rows_are_stored(
    open_state: Open, signal: Signal, requests: Callable[[], Iterator[bytes]], table: str
) -> None:
    state = open_state(churn=Model(slices=("country",)))
    sent = store(state, signal, requests())
    expected = {f"{number}-{k}" for number in range(sent) for k in range(2)}
    stored = {str(row[0]) for row in state.rows(f"SELECT id FROM {table}")}
    assert sent > 500
    assert expected - stored == set()
    assert faults(state) == (0, 0)
    state.state.settle()  # outcomes are joined, and windows evaluated, with what was stored


def test_all_other_rows_of_a_columnar_record_are_stored(open_state: Open) -> None:
    state = open_state(churn=Model(slices=("country",)))
    requests = []
    for number, columns in enumerate(changed_columns()):
        ids = texts([f"{number}-0", f"{number}-1", f"{number}-2"])
        requests.append(logs([batch({**columns, a.ML_PREDICTION_ID: ids})]))
    sent = store(state, "logs", requests)
    stored = {str(row[0]) for row in state.rows("SELECT id FROM predictions")}
    assert {f"{number}-{k}" for number in range(sent) for k in (0, 2)} - stored == set()
    assert faults(state) == (0, 0)


def test_all_other_points_are_counted(open_state: Open) -> None:
    base = ExportMetricsServiceRequest()
    scope = base.resource_metrics.add().scope_metrics.add()
    scope.scope.attributes.extend(attributes({a.DRIFTLINE_CAPTURE: "metrics"}))
    about = {a.ML_MODEL_NAME: "churn", a.ML_MODEL_VERSION: "1", a.ML_MODEL_TASK: "binary", a.ERROR_TYPE: "E"}
    feature = {**about, a.DRIFTLINE_FEATURE_NAME: "plan", a.DRIFTLINE_FEATURE_CATEGORY: "pro"}
    times = {"start_time_unix_nano": NOON - HOUR, "time_unix_nano": NOON}
    durations = scope.metrics.add(name=m.ML_PREDICT_DURATION).histogram
    durations.data_points.add(
        **times, count=3, sum=0.5, min=0.1, max=0.2, explicit_bounds=[0.15], bucket_counts=[1, 2]
    ).attributes.extend(attributes(about))
    scores = scope.metrics.add(name=m.DRIFTLINE_PREDICTION_SCORE).exponential_histogram
    point = scores.data_points.add(**times, count=3, sum=0.5, scale=3, zero_count=1)
    point.positive.bucket_counts.extend([1, 1])
    point.attributes.extend(attributes(about))
    categories = scope.metrics.add(name=m.DRIFTLINE_FEATURE_CATEGORIES).sum
    categories.data_points.add(**times, as_int=3).attributes.extend(attributes(feature))
    for data in (durations, scores, categories):
        data.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA

    def requests() -> Iterator[bytes]:
        for number, mutated in enumerate(mutations(base)):
            others = mutated.resource_metrics.add().scope_metrics.add()
            others.scope.attributes.extend(attributes({a.DRIFTLINE_CAPTURE: "metrics"}))
            rows = others.metrics.add(name=m.ML_PREDICT_DURATION).histogram
            rows.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA
            rows.data_points.add(
                start_time_unix_nano=NOON - HOUR + number, time_unix_nano=NOON - HOUR + number + 1, count=1
            ).attributes.extend(attributes({a.ML_MODEL_NAME: "healthy"}))
            yield mutated.SerializeToString()

    state = open_state()
    sent = store(state, "metrics", requests())
    state.state.catch_up()
    intake = state.state.parts.intake
    rows = {
        one.key.model: intake.totals[one.number].distributed for one in intake.series if one.number in intake.totals
    }
    assert sent > 500
    assert rows["healthy"] == sent
    assert faults(state) == (0, 0)


def test_all_other_outcomes_of_a_document_are_stored(tmp_path: Path, clock: Clock) -> None:
    state = StateWithRoutes(tmp_path / "state", clock)
    base = {"id": "changed", "actual": 1, "time": "2026-10-01T00:00:00Z", "weight": 2, "slices": {"country": "de"}}
    sent = 0
    for sent, mutated in enumerate(json_mutations({**base, "retracted": False, "value": 1.5, "item": "a"}), 1):
        rows = [{"id": f"{sent}-0", "actual": 1}, mutated, {"id": f"{sent}-1", "actual": "yes"}]
        document = {"model": "churn", "outcomes": rows}
        lines = "\n".join(map(json.dumps, rows)) if sent % 2 else json.dumps(document)
        kind = "application/x-ndjson" if sent % 2 else "application/json"
        answer = state.client.post("/v1/outcomes?model=churn", content=lines, headers={"content-type": kind})
        assert answer.status_code == 200, (mutated, answer.text)
    stored = {str(row[0]) for row in state.rows("SELECT id FROM outcomes")}
    assert sent > 200
    assert {f"{number}-{k}" for number in range(1, sent + 1) for k in range(2)} - stored == set()
    state.state.stop()


def test_all_other_panes_of_a_document_are_stored(open_state: Open) -> None:
    known = baseline([0.1, 0.9] * 50, {"age": [float(n) for n in range(100)]})
    state = open_state()
    state.send(baselines=[known.to_json()])
    width = {name: len(sums) for name, sums in known.pane.parts.items()}
    base = {
        "start": NOON - HOUR,
        "span": "1h",
        "sums": {"rows": [1, 1, 1], "feature:age": [1, *[0] * (width["feature:age"] - 1)]},
    }
    sums = {"rows": [1, 1, 1]}
    epoch = 0
    for epoch, mutated in enumerate(json_mutations(base), 1):
        others = [{"start": NOON - number * 24 * HOUR, "span": "1h", "sums": sums} for number in (2, 3)]
        about = {"model": "churn", "baseline": known.digest, "source": "nightly", "epoch": epoch}
        try:
            panes = parse_panes(json.dumps({**about, "panes": [others[0], mutated, others[1]]}).encode())
        except MalformedPanes as error:
            pytest.fail(f"a document is refused: {error}")
        receipt = state.state.submit_panes(panes, 1).result(60).panes
        assert receipt is not None
        assert receipt.conflict == ""
        assert receipt.accepted + receipt.replaced >= 2, mutated
    assert epoch > 200
    assert faults(state) == (0, 0)


def test_all_other_rows_of_an_event_are_stored(open_state: Open) -> None:
    state = open_state()
    app = Starlette(
        routes=cloudevents_http.routes(lambda *given: state.state.submit(*given[:2]), Counters(), lambda: NOON)
    )
    client = TestClient(Authentication(app, Access.without_log_in()))

    def post(half: str, id: int, rows: dict[str, Any]) -> int:
        kind = f"org.kubeflow.serving.inference.{half}"
        sent = {"ce-id": str(id), "ce-type": kind, "ce-specversion": "1.0", "ce-inferenceservicename": "churn"}
        return client.post("/v1/cloudevents", content=json.dumps(rows), headers=sent).status_code

    row, answers = {"age": 31.5, "plan": "pro", "tags": ["a"]}, [0.1, 0.2, 0.3]
    calls = [({"instances": [row, one, row]}, {"predictions": answers}) for one in json_mutations(row)]
    calls += [({"instances": [row] * 3}, {"predictions": [0.1, one, 0.3]}) for one in json_mutations(0.5)]
    for number, (request, response) in enumerate(calls):
        assert (post("request", number, request), post("response", number, response)) == (202, 200), (request, response)
    stored = {str(found[0]) for found in state.rows("SELECT id FROM predictions")}
    assert {f"{number}.{k}" for number in range(len(calls)) for k in (0, 2)} - stored == set()
    assert faults(state) == (0, 0)
