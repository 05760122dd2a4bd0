"""Whatever was taken in, the processor starts again; and a row of its state that cannot be read costs only itself."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import pytest
from driftline.baseline.baseline import Baseline
from driftline.semconv import attributes as a
from driftline.tables.task import Task
from driftline_processor.config.schema import Config, Storage
from driftline_processor.health import Problem
from driftline_processor.ingest import transaction
from driftline_processor.maintenance.erasure import ErasureOrder, ErasureOrders
from driftline_processor.state import State
from driftline_processor.store import baselines as learning
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.facts import lacking
from tests.support.state_fixtures import Open
from tests.support.state_rows import NOON, Clock, baseline, outcomes, predictions
from tests.support.unwrap import unwrap

ENOUGH = 20
"""Rows of a provisional baseline here: the rule is the same, and a thousand take fifty times as long."""

TEXTS = st.text(max_size=6) | st.sampled_from(["no", "yes", "maybe", "0", "1", "true", "1e400", "nan", "-inf", "=1"])
NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(2**63), 2**63 - 1)
VALUES = TEXTS | NUMBERS | st.booleans() | st.none() | st.lists(TEXTS | NUMBERS, max_size=3)
SPAN = st.fixed_dictionaries(
    {},
    optional={
        a.ML_PREDICTION_CLASS: VALUES,
        a.ML_PREDICTION_SCORE: VALUES | st.floats(0, 1) | st.lists(st.floats(0, 1), min_size=1, max_size=3),
        a.ML_PREDICTION_VALUE: VALUES,
        f"{a.DRIFTLINE_FEATURE_VALUE}.a": VALUES,
        f"{a.DRIFTLINE_FEATURE_VALUE}.b": VALUES,
        f"{a.DRIFTLINE_SLICE_VALUE}.s": VALUES,
    },
)
MODEL = st.fixed_dictionaries(
    {},
    optional={
        a.ML_MODEL_TASK: st.sampled_from(["binary", "multiclass", "regression", "ranking", "clustering"]) | VALUES,
        a.DRIFTLINE_MODEL_CLASSES: st.lists(TEXTS, max_size=4) | VALUES,
        a.DRIFTLINE_MODEL_POSITIVE_CLASS: VALUES,
        a.DRIFTLINE_MODEL_THRESHOLD: VALUES,
        a.DRIFTLINE_MODEL_QUANTILES: st.lists(NUMBERS, max_size=3) | VALUES,
    },
)


def spans(model: dict[str, Any], rows: list[dict[str, Any]], n: int = 3 * ENOUGH) -> bytes:
    """Write n spans as any language sends them, with the attributes of ``rows`` in turn."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for i in range(n):
        span = scope.spans.add(name="predict", trace_id=(i + 1).to_bytes(16, "big"), span_id=b"12345678")
        span.start_time_unix_nano = span.end_time_unix_nano = NOON - i * 10**9
        for key, value in {a.ML_MODEL_NAME: "m", **model, **rows[i % len(rows)]}.items():
            _write(span.attributes.add(key=key).value, value)
    return bytes(request.SerializeToString())


def _write(into: Any, value: Any) -> None:
    if isinstance(value, list):
        into.array_value.SetInParent()
        for one in value:
            _write(into.array_value.values.add(), one)
    elif value is not None:
        kinds = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
        setattr(into, kinds[type(value)], value)


def opened(directory: Path) -> State:
    state = State(Config(storage=Storage(directory=directory)), clock=Clock())
    state.start_storing()
    return state


def test_two_classes_of_which_nobody_says_the_positive_one_have_a_baseline_that_the_next_start_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch)
    state = opened(tmp_path)
    label = a.ML_PREDICTION_CLASS
    rows = [{label: "no", a.ML_PREDICTION_SCORE: 0.2}, {label: "yes", a.ML_PREDICTION_SCORE: 0.9}]
    state.submit("traces", spans({a.ML_MODEL_TASK: "binary"}, rows)).result(60)
    state.settle()
    (before,) = state.publish().models
    assert (before.task.classes, before.task.positive_class) == (("no", "yes"), "")
    state.stop()
    state = opened(tmp_path)
    (after,) = state.publish().models
    state.stop()
    assert after.baseline is not None
    assert (after.baseline.digest, after.baseline.rows) == (unwrap(before.baseline).digest, ENOUGH)


def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (learning, transaction):
        monkeypatch.setattr(module, "NEEDED", ENOUGH)


@pytest.mark.slow
@settings(max_examples=8)
@given(st.lists(st.tuples(MODEL, st.lists(SPAN, min_size=1, max_size=4)), min_size=12, max_size=12))
def test_whatever_came_the_next_start_reads_it(models: list[tuple[dict[str, Any], list[dict[str, Any]]]]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        few(patch)
        state = opened(Path(folder))
        for number, (model, rows) in enumerate(models):
            state.submit("traces", spans({**model, a.ML_MODEL_NAME: f"m{number}"}, rows)).result(60)
        state.settle()
        seen = [(view.key, view.task, view.baseline and view.baseline.digest) for view in state.publish().models]
        state.stop()
        state = opened(Path(folder))
        again = [(view.key, view.task, view.baseline and view.baseline.digest) for view in state.publish().models]
        state.stop()
        assert again == seen
        assert state.health.problems() == []


def test_a_baseline_that_could_not_be_read_back_is_not_stored_and_that_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    few(monkeypatch)

    def broken(*_: Any, **__: Any) -> Baseline:
        built = baseline([0.1, 0.9] * 20, {"x": [0.1, 0.9] * 20})
        object.__setattr__(built, "task", Task("binary", ("a", "b", "c")))
        return built

    monkeypatch.setattr(Baseline, "from_tables", broken)
    state = opened(tmp_path)
    state.submit("traces", spans({}, [{a.ML_PREDICTION_SCORE: 0.5}])).result(60)
    state.catch_up()
    assert state.read("SELECT count(*) AS n FROM baselines").to_pylist() == [{"n": 0}]
    assert state.read("SELECT count(*) AS n FROM predictions").to_pylist() == [{"n": 3 * ENOUGH}]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        "no baseline could be learned for m; learning starts again"
    ]
    state.stop()
    opened(tmp_path).stop()


@pytest.mark.slow
def test_rows_that_cannot_be_read_cost_themselves_and_are_said(
    open_state: Open, caplog: pytest.LogCaptureFixture
) -> None:
    state = open_state()
    good = baseline([0.2, 0.8] * 200, {"x": [0.2, 0.8] * 200}, version="2")
    state.send(predictions(["a", "b"]), outcomes(["a"], [1]))
    state.send(baselines=[baseline([0.1, 0.9] * 200, {"x": [0.1, 0.9] * 200}, version="1").to_json(), good.to_json()])
    state.state.settle()
    for damage in (
        "UPDATE baselines SET json = '{}' WHERE version = '1'",
        "UPDATE series SET task = 'what'",
        "INSERT INTO evaluations (series, name, start, stop, believed, dictionary, blob)"
        " VALUES (1, '1h', 0, 3600000000000, 1, 'no dictionary'::BLOB, 'no evaluation'::BLOB)",
        "DELETE FROM concept",
        "INSERT INTO concept VALUES (1, '', 'no stream')",
        "INSERT INTO learning VALUES (1, 7, 3, 'time', 'bytes'::BLOB)",
    ):
        state.state.parts.connection.execute(damage)
    state = open_state()
    view = state.view()
    assert view.rows == 2
    assert unwrap(view.baseline).digest == good.digest  # of another version, where the own one is lost
    said_so = (
        "rows of the state cannot be read and are ignored: 1 of baselines, 1 of concept, 1 of evaluations,"
        " 1 of series; see the log for details"
    )
    assert state.state.health.problems() == [Problem("unreadable_rows", said_so, ready=True)]
    said = [record.getMessage() for record in caplog.records if "cannot be read" in record.getMessage()]
    assert len(said) == 4
    assert lacking(said[0], "storage:", "version 1", "series 1") == []
    state.send(predictions(["c"]))  # what was kept for learning is counted now, as far as it can be read
    assert state.view().rows == 3


def test_an_order_to_delete_that_cannot_be_read_is_kept_aside_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    orders = ErasureOrders(tmp_path)
    orders.add(ErasureOrder("churn", "id", ("a",)))
    assert [order.values for order in orders] == [("a",)]
    (tmp_path / "erase.json").write_text('[{"what": 1}]')
    assert list(orders) == []
    assert "send the requests to delete again" in caplog.text
    assert (tmp_path / "erase.unreadable").read_text() == '[{"what": 1}]'
