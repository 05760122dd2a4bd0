"""Services under ``opentelemetry-instrument`` without a line of ours: a plain function, and a scikit-learn model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import tomllib
from collections import Counter
from pathlib import Path

import driftline
import joblib
import pytest
from driftline.panes.fold import fold
from driftline.panes.pane import merge
from driftline.tables.column_codec import strings
from driftline.tables.table import ModelKey
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.windows.window import Window
from driftline_processor.demo.processes import free_port
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sklearn.linear_model import LogisticRegression

from tests.integrations.estimators.every_estimator import FRAME, LABELS
from tests.support.paths import ROOT
from tests.support.receiver import Receiver, predictions_of
from tests.support.zero_code import posted, running, wait_for

from .process import INSTRUMENT, counted, run, spans, tables

ORDER = {"order_id": "A-1001", "amount": 17.5, "country": "NO"}

SHOP_FASTAPI = """
from fastapi import FastAPI

app = FastAPI()

@app.post("/predict")
async def predict(order: dict) -> dict:
    return {"probability": 0.25 if order["amount"] < 100 else 0.75}
"""

SHOP_FLASK = """
from flask import Flask, request

app = Flask(__name__)

@app.post("/predict")
def predict():
    return {"probability": 0.25 if request.get_json()["amount"] < 100 else 0.75}
"""

CONFIG = """
[models.churn]
task = "binary"
version = "2026-11-01"

[models.churn.routes."POST /predict"]
id = "order_id"
score = "probability"
slices = { region = "header:x-region" }
"""


def spans_of(receiver: Receiver) -> list[Span]:
    """Return the spans that arrived; of two requests of traces and logs, only the first kind parses with spans."""
    return [
        span
        for path, body in receiver.requests
        if path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "command"),
    [
        (SHOP_FASTAPI, ("uvicorn", "shop:app", "--port", "{port}")),
        (SHOP_FLASK, ("flask", "--app", "shop", "run", "--port", "{port}")),
    ],
    ids=["fastapi", "flask"],
)
def test_a_plain_service_is_recorded_without_a_line_of_code(
    tmp_path: Path, receiver: Receiver, source: str, command: tuple[str, ...]
) -> None:
    (tmp_path / "shop.py").write_text(source)
    (tmp_path / "driftline.toml").write_text(CONFIG)
    port = free_port()

    with running(tmp_path, receiver, *(word.format(port=port) for word in command)) as server:
        response = posted(server, port, "/predict", ORDER)
        wait_for(receiver, "/v1/logs", "/v1/traces")
    said = (tmp_path / "log").read_text()

    assert (response.json(), response.headers["x-prediction-id"]) == ({"probability": 0.25}, "A-1001"), said
    spans = {span.name: span for span in spans_of(receiver)}
    prediction, web = spans["predict churn"], spans["POST /predict"]
    assert (prediction.trace_id, prediction.parent_span_id) == (web.trace_id, web.span_id)
    (table,) = [table for body in receiver.bodies for table in predictions_of(body)]
    assert table.key.version == "2026-11-01"
    assert strings(table.id) == ["A-1001"]
    assert table.scores is not None
    assert table.scores.tolist() == [[0.25]]
    assert sorted(table.features) == ["amount", "country"]
    assert table.slices["region"].categories == ("north",)


@pytest.mark.slow
def test_a_service_that_is_stopped_at_once_loses_no_span_and_no_count(tmp_path: Path, receiver: Receiver) -> None:
    (tmp_path / "shop.py").write_text(SHOP_FASTAPI)
    (tmp_path / "driftline.toml").write_text(CONFIG)
    port = free_port()
    waits = {"OTEL_BSP_SCHEDULE_DELAY": "60000", "OTEL_METRIC_EXPORT_INTERVAL": "60000"}

    with running(tmp_path, receiver, "uvicorn", "shop:app", "--port", str(port), more=waits) as server:
        posted(server, port, "/predict", {**ORDER, "order_id": "0"})
        for i in range(1, 20):
            posted(server, port, "/predict", {**ORDER, "order_id": str(i)})
        assert not receiver.paths["/v1/traces"]
        server.terminate()  # uvicorn raises the signal again, which ends the process without `atexit`
        assert server.wait(60) == -signal.SIGTERM

    assert sum(span.name == "predict churn" for span in spans_of(receiver)) == 20
    assert sum(span.name == "POST /predict" for span in spans_of(receiver)) == 20
    assert counted(receiver) == {"0": 20}
    assert sum(len(table) for body in receiver.bodies for table in predictions_of(body)) == 20


CHILD = """
import multiprocessing
import driftline

churn = driftline.Model("churn", task="binary")

@churn.predict
def score(row):
    return 0.25

multiprocessing.get_context("fork").Process(target=score, args=({"amount": 17.5},)).start()
"""


@pytest.mark.slow
def test_a_forked_child_loses_no_span_and_no_count(tmp_path: Path, receiver: Receiver) -> None:
    (tmp_path / "job.py").write_text(CHILD)
    (tmp_path / "driftline.toml").write_text("")
    waits = {"OTEL_BSP_SCHEDULE_DELAY": "60000", "OTEL_METRIC_EXPORT_INTERVAL": "60000"}

    with running(tmp_path, receiver, "python", "job.py", more=waits) as job:
        assert job.wait(60) == 0, (tmp_path / "log").read_text()

    assert [span.name for span in spans_of(receiver)] == ["predict churn"]
    assert counted(receiver) == {"0": 1}
    assert sum(len(table) for body in receiver.bodies for table in predictions_of(body)) == 1


JOB = """
import driftline
churn = driftline.Model("churn", task="binary")
churn.predict(lambda row: 0.25)({"amount": 17.5})
driftline.shutdown()
"""


@pytest.mark.slow
def test_settings_are_options_of_the_command_and_win_over_variables(tmp_path: Path, receiver: Receiver) -> None:
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "driftline.toml").write_text("")
    endpoint = f"http://127.0.0.1:{receiver.server_port}"
    options = ("--driftline_endpoint", endpoint, "--driftline_capture", "scores")
    variables = {"DRIFTLINE_ENDPOINT": "http://127.0.0.1:9", "DRIFTLINE_CAPTURE": "features"}

    with running(tmp_path, receiver, *options, "python", "job.py", more=variables) as job:
        assert job.wait(60) == 0, (tmp_path / "log").read_text()

    (table,) = [table for body in receiver.bodies for table in predictions_of(body)]
    assert (len(table), list(table.features)) == (1, [])


@pytest.mark.slow
def test_a_bad_file_is_one_line_and_the_service_runs(tmp_path: Path, receiver: Receiver) -> None:
    (tmp_path / "shop.py").write_text(SHOP_FASTAPI)
    (tmp_path / "driftline.toml").write_text("[models.churn")
    port = free_port()

    with running(tmp_path, receiver, "uvicorn", "shop:app", "--port", str(port)) as server:
        response = posted(server, port, "/predict", ORDER)
    said = (tmp_path / "log").read_text()

    assert response.json() == {"probability": 0.25}
    assert "x-prediction-id" not in response.headers
    assert [line for line in said.splitlines() if "driftline" in line] == [
        "driftline: driftline.toml is not valid TOML: Expected ']' at the end of a table declaration "
        "(at end of document); its models are not instrumented"
    ]


LIBRARIES = ("sklearn", "xgboost", "lightgbm", "catboost", "torch", "mlflow", "onnxruntime")

LOAD_ALL = """
import sys
from importlib import import_module

for place in sys.argv[1:]:
    module, _, name = place.partition(":")
    getattr(import_module(module), name)().instrument(skip_dep_check=True)
print([name for name in {libraries} if name in sys.modules])
"""


@pytest.mark.slow
def test_no_instrumentor_imports_a_library_that_the_program_does_not(tmp_path: Path) -> None:
    """An error of one that is too old would end the instrumentation of all others; and PyTorch takes seconds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    places = project["entry-points"]["opentelemetry_instrumentor"]
    for library in LIBRARIES:
        (tmp_path / f"{library}.py").write_text("raise AttributeError('a version that lacks something')")
    assert {f"driftline_{library}" for library in LIBRARIES} <= places.keys()

    done = subprocess.run(
        [sys.executable, "-c", LOAD_ALL.format(libraries=LIBRARIES), *places.values()],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


SERVICE = """
    import joblib, pandas as pd

    model = joblib.load("model.joblib")
    rows = pd.read_csv("requests.csv")
    answers = [str(model.predict(rows[i : i + 1])[0]) for i in range(20)]
    print(*answers, *model.predict(rows[20:]))
"""
"""Nothing in it knows of Driftline or of OpenTelemetry."""


@pytest.mark.slow
def test_traces_records_and_counts_are_right_on_the_wire_and_drift_is_seen(receiver: Receiver, tmp_path: Path) -> None:
    joblib.dump(LogisticRegression().fit(FRAME, LABELS), tmp_path / "model.joblib")
    FRAME.assign(age=FRAME["age"] + 3.0).to_csv(tmp_path / "requests.csv", index=False)
    service = tmp_path / "service.py"
    service.write_text(textwrap.dedent(SERVICE))
    plain = run(service, receiver)
    assert receiver.bodies == []

    assert run(service, receiver, INSTRUMENT, DRIFTLINE_MODEL_NAME="churn", DRIFTLINE_MODEL_VERSION="3") == plain

    arrived = tables(receiver)
    assert sum(map(len, arrived)) == 60
    assert {table.key for table in arrived} == {ModelKey("churn", "3")}
    assert {table.task.classes for table in arrived} == {("churns", "stays")}
    assert len({text for table in arrived for text in strings(table.id)}) == 60
    assert counted(receiver) == Counter(plain)
    traced = [span for span in spans(receiver) if span["name"] == "predict churn"]
    assert len(traced) == 21
    ages = [
        span["driftline.feature.value.age"].double_value for span in traced if "driftline.feature.value.age" in span
    ]
    assert ages == (FRAME["age"][:20] + 3.0).tolist()

    baseline = driftline.Baseline.from_frame(
        FRAME, predicted=LABELS, model="churn", task="binary", positive_class="stays"
    )
    pane = merge([fold(table, baseline.bins) for table in arrived])
    found = judge_window(ModelWindow(ModelKey("churn", "3"), Window("1d", 0, 1), pane), Reference(baseline))
    states = {name: drift.state for name, drift in found.features.items()}
    assert states == {"age": "drift", "visits": "ok", "spend": "ok"}


SHOP = """
import joblib, pandas as pd
from fastapi import FastAPI

app = FastAPI()
model = joblib.load("model.joblib")

@app.post("/predict")
def predict(order: dict) -> dict:
    row = pd.DataFrame([{name: order[name] for name in ("age", "visits", "spend")}])
    return {"stays": float(model.predict_proba(row)[0, 1]), "decision": str(model.predict(row)[0])}
"""


@pytest.mark.slow
def test_an_estimator_inside_a_recorded_route_is_the_same_prediction(receiver: Receiver, tmp_path: Path) -> None:
    joblib.dump(LogisticRegression().fit(FRAME, LABELS), tmp_path / "model.joblib")
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "driftline.toml").write_text(
        """
        [models.churn]
        task = "binary"
        classes = ["churns", "stays"]
        positive_class = "stays"

        [models.churn.routes."POST /predict"]
        id = "order"
        score = "stays"
        predicted = "decision"
        """
    )
    port = free_port()
    with running(tmp_path, receiver, "uvicorn", "shop:app", "--port", str(port)) as server:
        answer = posted(server, port, "/predict", {"order": "A-1", **FRAME.iloc[0].to_dict()}).json()
        wait_for(receiver, "/v1/logs", "/v1/traces")

    (table,) = tables(receiver)
    assert table.key == ModelKey("churn")
    assert strings(table.id) == ["A-1"]
    assert table.scores is not None
    assert table.scores.tolist() == [[answer["stays"]]]
    assert list(table.features) == ["age", "visits", "spend"]
    assert [span["name"] for span in spans(receiver)].count("predict churn") == 1
