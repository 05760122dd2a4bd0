"""Training runs from records and spans; an unusable value costs only itself."""

from __future__ import annotations

from typing import Any

import pytest
from driftline_processor.core.decode.requests import decode_logs, decode_traces, decode_traces_together
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.support.otlp_requests import logs, record, span, traces

NOW = 1_795_161_600_000_000_000
FULL: dict[str, Any] = {
    "ml.model.name": "churn",
    "ml.model.version": "v2",
    "driftline.training.run.id": "r1",
    "driftline.training.duration": 60.0,
    "driftline.training.cpu.time": 90.5,
    "driftline.training.memory.peak": 2_000_000_000,
    "driftline.training.gpu.time": 120.0,
    "driftline.training.gpu.type": "A100",
    "driftline.training.rows": 1000,
    "driftline.training.epochs": 2.5,
    "driftline.training.cost": 12.5,
    "driftline.training.currency": "EUR",
    "driftline.training.resource_cost.gpu": 12.0,
    "driftline.training.result.value.validation_loss": 0.25,
}


def event(values: dict[str, Any], **fields: Any) -> bytes:
    return logs([record("driftline.training.run", values, **fields)], "production")


def test_a_record_is_a_run() -> None:
    decoded = decode_logs(event(FULL, time_unix_nano=NOW), 1)

    (run,) = decoded.training_runs
    assert (run.id, run.model, run.version, run.environment) == ("r1", "churn", "v2", "production")
    assert (run.start, run.end, run.seconds) == (NOW - 60 * 10**9, NOW, 60.0)
    assert (run.cpu_seconds, run.peak_memory, run.gpu_seconds, run.gpu_type) == (90.5, 2e9, 120.0, "A100")
    assert (run.rows, run.epochs, run.error) == (1000, 2.5, "")
    assert (run.cost, run.currency, run.parts, run.results) == (12.5, "EUR", {"gpu": 12.0}, {"validation_loss": 0.25})
    assert decoded.rejected == {}


@pytest.mark.parametrize("together", [False, True])
def test_a_span_is_the_same_run_and_no_prediction(together: bool) -> None:
    values = {**FULL, "ml.operation.name": "train"}
    fields = {"start_time_unix_nano": NOW - 60 * 10**9, "end_time_unix_nano": NOW}
    body = traces([span(values, **fields), span({"ml.model.name": "churn", "ml.prediction.score": 0.5})], "production")
    decoded = decode_traces_together([body, traces([])], NOW) if together else decode_traces(body, NOW)

    assert decoded.training_runs == decode_logs(event(FULL, time_unix_nano=NOW), 1).training_runs
    assert [len(table) for table in decoded.predictions] == [1]
    assert decoded.rejected == {}


def test_a_failed_span_without_a_type_is_a_failed_run() -> None:
    values = {"ml.model.name": "churn", "driftline.training.run.id": "r1", "ml.operation.name": "train"}
    status = Status(code=Status.STATUS_CODE_ERROR)
    body = traces([span(values, start_time_unix_nano=NOW - 10**9, end_time_unix_nano=NOW, status=status)])

    (run,) = decode_traces(body, NOW).training_runs
    assert (run.error, run.seconds) == ("error", 1.0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ml.model.name": ""}, "no_model_name"),
        ({"driftline.training.run.id": " "}, "no_run_id"),
        ({"driftline.training.duration": float("nan")}, "bad_duration"),
        ({"driftline.training.duration": -1.0}, "bad_duration"),
        ({"driftline.training.duration": 1e300}, "bad_duration"),
        ({"driftline.training.duration": "long"}, "bad_duration"),
    ],
)
def test_a_run_that_lacks_what_it_needs_is_rejected_alone(change: dict[str, Any], reason: str) -> None:
    body = logs([record("driftline.training.run", {**FULL, **change}), record("driftline.training.run", FULL)])
    decoded = decode_logs(body, NOW)

    assert [run.id for run in decoded.training_runs] == ["r1"]
    assert decoded.rejected[reason] == 1


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("driftline.training.cpu.time", "much", "cpu_seconds"),
        ("driftline.training.memory.peak", -5, "peak_memory"),
        ("driftline.training.cost", float("inf"), "cost"),
    ],
)
def test_a_value_that_is_none_costs_only_itself(name: str, value: Any, field: str) -> None:
    decoded = decode_logs(event({**FULL, name: value}), NOW)

    (run,) = decoded.training_runs
    assert getattr(run, field) is None
    assert decoded.rejected == {f"wrong_type:{name}": 1}


def test_results_are_bounded_and_one_that_is_no_number_is_none() -> None:
    results = {f"driftline.training.result.value.m{n}": float(n) for n in range(100)}
    named = {
        "driftline.training.result.value.": 1.0,
        "driftline.training.result.value." + "x" * 2000: 1.0,
        "driftline.training.result.value.loss": float("nan"),
    }
    (run,) = decode_logs(event({**FULL, **named, **results}), NOW).training_runs

    assert len(run.results) == 64
    assert run.results["loss"] is None
    assert "" not in run.results


def test_rows_beyond_what_a_number_holds_are_bounded() -> None:
    (run,) = decode_logs(event({**FULL, "driftline.training.rows": 1e300}), NOW).training_runs

    assert run.rows == 2**53
