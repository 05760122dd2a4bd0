"""A training run as telemetry: a record, a span, metrics; and nothing of ours reaches the training."""

from __future__ import annotations

import logging
import math
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import driftline
import pytest
from driftline.faults import FAULTS
from driftline.training import training_run as training_module
from driftline.training.measurement import Measured
from driftline_processor.core.decode.requests import decode_logs, decode_metrics, decode_traces
from driftline_processor.core.decode.training_runs import TrainingRun
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_ERROR
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from tests.support.facts import Facts, lacking
from tests.support.service import NOW, Service
from tests.support.unwrap import unwrap

PRICES = {"currency": "EUR", "cpu_hour": 0.36, "gpu_hour": 3.6}


@pytest.fixture(autouse=True)
def _measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every run use 1,000 CPU seconds, 2 GB and 5,000 J of one GPU."""

    class Fixed:
        def close(self) -> Measured:
            return Measured(1000.0, 2_000_000_000, 1, "A100")

    monkeypatch.setattr(training_module, "Measurement", Fixed)


class ExplodedError(RuntimeError):
    """What a training raises."""


def runs(service: Service) -> list[TrainingRun]:
    service.flush()
    return [run for body in service.channel.bodies for run in decode_logs(body, NOW).training_runs]


def severities(service: Service) -> set[int]:
    """Return the severities of all records that were sent."""
    groups = [one for body in service.channel.bodies for one in ExportLogsServiceRequest.FromString(body).resource_logs]
    scopes = [scope for group in groups for scope in group.scope_logs]
    return {record.severity_number for scope in scopes for record in scope.log_records}


def metrics(service: Service) -> dict[str, list[tuple[dict[str, Any], Any]]]:
    data = unwrap(service.reader.get_metrics_data())
    return {
        metric.name: [
            (dict(point.attributes or {}), getattr(point, "value", None)) for point in metric.data.data_points
        ]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name.startswith("driftline.training.")
    }


def test_a_run_is_a_record_with_all_that_it_took(service: Service) -> None:
    with driftline.training_run(service.model(version="v1"), "v2", price_sheet=PRICES, gpus=2) as run:
        run.record(validation_loss=0.25, rows=1000, epochs=3)
        run.record(validation_loss=0.125, auc=0.9)

    (found,) = runs(service)
    assert (found.id, found.model, found.version, found.environment) == (run.id, "churn", "v2", "test")
    assert (found.cpu_seconds, found.peak_memory) == (1000.0, 2e9)
    assert found.gpu_seconds == pytest.approx(2 * found.seconds)
    assert (found.gpu_type, found.rows, found.epochs) == ("A100", 1000, 3.0)
    assert found.results == {"validation_loss": 0.125, "auc": 0.9}
    assert found.parts["cpu"] == pytest.approx(0.1)
    assert (found.cost, found.currency, found.error) == (unwrap(run.cost).amount, "EUR", "")


def test_its_span_holds_the_same_and_those_within(service: Service) -> None:
    churn = service.model(version="v1")
    with (
        driftline.training_run(churn, price_sheet=PRICES),
        service.tracers.get_tracer("own").start_as_current_span("fit"),
    ):
        pass

    inner, outer = service.spans
    assert (outer.name, inner.parent.span_id if inner.parent else None) == ("train churn", outer.context.span_id)
    (of_span,) = decode_traces(encode_spans([outer]).SerializeToString(), NOW).training_runs
    (of_record,) = runs(service)
    assert (of_span.id, of_span.cost, of_span.version) == (of_record.id, of_record.cost, "v1")


def test_a_sampler_sees_which_training_it_is(service: Service) -> None:
    with driftline.training_run(service.model(version="v1")):
        span = trace.get_current_span()
        assert isinstance(span, ReadableSpan)
        named = dict(span.attributes or {})

    assert named == {"ml.operation.name": "train", "ml.model.name": "churn", "ml.model.version": "v1"}


def test_its_metrics_add_up_over_runs(service: Service) -> None:
    churn = service.model()
    for loss in (0.5, 0.25):
        with driftline.training_run(churn, price_sheet={"currency": "EUR", "cpu_hour": 0.36}) as run:
            run.record(validation_loss=loss)
    with pytest.raises(KeyError), driftline.training_run(churn):
        raise KeyError("no data")

    found, about = metrics(service), {"ml.model.name": "churn"}
    assert sorted(found) == [
        *(
            "driftline.training.cost",
            "driftline.training.cpu.time",
            "driftline.training.duration",
        ),
        *(
            "driftline.training.gpu.time",
            "driftline.training.memory.peak",
            "driftline.training.result.value",
            "driftline.training.runs",
        ),
    ]
    assert sorted(found["driftline.training.runs"], key=str, reverse=True) == [
        (about, 2),
        ({**about, "error.type": "KeyError"}, 1),
    ]
    assert found["driftline.training.cpu.time"] == [(about, 3000.0)]
    assert found["driftline.training.cost"] == [({**about, "driftline.training.currency": "EUR"}, pytest.approx(0.2))]
    assert found["driftline.training.result.value"] == [
        ({**about, "driftline.training.result.name": "validation_loss"}, 0.25)
    ]


def test_what_the_training_raises_goes_on_and_is_recorded(service: Service) -> None:
    def train() -> None:
        with driftline.training_run(service.model()) as run:
            run.record(validation_loss=math.nan)
            raise ExplodedError("loss of patient 078-05-1120")

    with pytest.raises(ExplodedError):
        train()

    (found,) = runs(service)
    (span,) = service.spans
    assert severities(service) == {SEVERITY_NUMBER_ERROR}
    assert found.error.endswith("ExplodedError")
    assert found.results == {"validation_loss": None}
    assert span.status.status_code is StatusCode.ERROR
    assert "078-05-1120" not in str(span.to_json())


@pytest.mark.parametrize(("code", "error"), [(0, ""), (None, ""), (3, "SystemExit")])
def test_a_program_that_ends_well_within_its_run_did_not_fail(service: Service, code: int | None, error: str) -> None:
    with pytest.raises(SystemExit), driftline.training_run(service.model()):
        sys.exit(code)

    assert [run.error for run in runs(service)] == [error]


def test_a_run_that_begins_again_is_another(service: Service) -> None:
    run = driftline.training_run(service.model())
    with run:
        run.record(auc=0.5)
    first = run.id
    with run:
        pass

    assert [(one.id, dict(one.results)) for one in runs(service)] == [(first, {"auc": 0.5}), (run.id, {})]
    assert run.id != first


@pytest.mark.parametrize(
    ("given", "facts"),
    [
        (lambda run: run.record(validation_loss="low"), ("'validation_loss'",)),
        (lambda run: run.record(rows="many"), ("rows and epochs must be numbers",)),
        (lambda run: run.record(rows=math.inf), ("rows and epochs must be numbers",)),
        (lambda run: run.record(**{f"m{n}": n for n in range(70)}), ("64 results",)),
    ],
)
def test_odd_results_cost_only_themselves(
    service: Service, caplog: pytest.LogCaptureFixture, given: Callable[[Any], None], facts: Facts
) -> None:
    with caplog.at_level(logging.WARNING), driftline.training_run(service.model()) as run:
        given(run)
        run.record(auc=0.75, rows=7)

    (found,) = runs(service)
    assert lacking(caplog.text, *facts) == []
    assert (found.rows, found.results.get("auc", 0.75)) == (7, 0.75)
    assert len(found.results) <= 64


def test_huge_values_are_kept_within_what_travels(service: Service) -> None:
    with driftline.training_run(service.model("churn"), gpus=1e308, price_sheet={"gpu_hour": 1e308}) as run:
        run.record(rows=10**30, epochs=1e308, loss=-1e308)

    (found,) = runs(service)
    assert (found.rows, found.epochs, found.results["loss"]) == (2**53, 1e308, -1e308)
    assert found.cost is None


@pytest.mark.parametrize("gpus", [-1, math.nan, math.inf, "two"])
def test_a_number_of_gpus_that_is_none_is_not_known(service: Service, gpus: Any) -> None:
    with driftline.training_run(service.model(), gpus=gpus):
        pass

    assert [run.gpu_seconds for run in runs(service)] == [None]


def test_a_price_sheet_that_cannot_be_read_costs_only_the_cost(
    service: Service, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    missing = tmp_path / "prices.yaml"
    with caplog.at_level(logging.WARNING), driftline.training_run(service.model(), price_sheet=missing) as run:
        pass

    assert run.cost is None
    assert [one.cost for one in runs(service)] == [None]
    assert lacking(caplog.text, f"{missing}:") == []


def test_a_fault_of_ours_never_reaches_the_training(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(FAULTS, "raising", False)
    monkeypatch.setattr(training_module, "Measurement", lambda: 1 / 0)
    with caplog.at_level(logging.WARNING), driftline.training_run(service.model()) as run:
        run.record(auc=0.5)

    assert lacking(caplog.text, "ZeroDivisionError") == []
    assert [dict(one.results) for one in runs(service)] == [{"auc": 0.5}]  # all the same, without what it took


def test_a_model_without_a_name_is_not_recorded(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), driftline.training_run("  ") as run:
        run.record(auc=0.5)

    assert "the name of the model is empty; the run is not recorded" in caplog.text


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_that_leaves_the_run_records_nothing(service: Service) -> None:
    reading, writing = os.pipe()
    with driftline.training_run(service.model()):
        child = os.fork()
    if child == 0:  # it leaves the block, too
        os.write(writing, pickle.dumps(len(runs(service))))
        os._exit(0)
    os.waitpid(child, 0)

    assert pickle.loads(os.read(reading, 100)) == 0
    assert len(runs(service)) == 1


def test_its_metrics_are_nothing_that_a_processor_rejects(service: Service) -> None:
    with driftline.training_run(service.model(), price_sheet=PRICES) as run:
        run.record(validation_loss=0.25)

    found = unwrap(service.reader.get_metrics_data())
    decoded = decode_metrics(encode_metrics(found).SerializeToString(), NOW)
    assert (decoded.points, decoded.rejected) == ([], {})
