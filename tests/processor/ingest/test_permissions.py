"""What the sender of a request may not send is counted and not used, and its neighbours are."""

from __future__ import annotations

import json

import pytest
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.semconv import metrics as m
from driftline_processor.access.principal import UNRESTRICTED, Permission, Sending
from driftline_processor.config.capabilities import Capability
from driftline_processor.config.schema import Limits
from driftline_processor.ingest.decoding import Decoding
from driftline_processor.ingest.permissions import permitted
from driftline_processor.ingest.transaction import Request
from driftline_processor.log.entry_format import Entry, encode, find
from driftline_processor.receipts import NOT_PERMITTED, Signal

from tests.support.metric_requests import metrics_body, sum_of
from tests.support.otlp_requests import NOW, logs, record, span, traces
from tests.support.state_fixtures import Open
from tests.support.state_rows import Clock, baseline

OUTCOME = {a.ML_PREDICTION_ID: "1", a.ML_OUTCOME_ACTUAL: 1}
PREDICTION = {a.ML_PREDICTION_ID: "1", a.ML_PREDICTION_SCORE: 0.5, a.ML_MODEL_TASK: "binary"}


def sending(*capabilities: Capability, models: str = "*") -> Sending:
    return Sending.of([Permission(frozenset(capabilities), (models,))])


def log_records() -> bytes:
    """Return predictions, outcomes and baselines of two models in one request."""
    rows = [record(events.ML_PREDICTION, {a.ML_MODEL_NAME: model, **PREDICTION}) for model in ("churn", "fraud")]
    rows += [record(events.ML_OUTCOME, {a.ML_MODEL_NAME: model, **OUTCOME}) for model in ("churn", "fraud")]
    for model in ("churn", "fraud"):
        one = record(events.DRIFTLINE_BASELINE, {})
        one.body.string_value = baseline([0.1, 0.9], {"age": [1.0, 2.0]}, model=model).to_json()
        rows.append(one)
    return logs(rows)


def kept(request: Request) -> dict[str, list[str]]:
    return {
        "ingest": [table.key.model for table in request.predictions],
        "outcomes": [table.model for table in request.outcomes],
        "baselines": [json.loads(text)["model"] for text in request.baselines],
    }


@pytest.mark.parametrize("capability", ["ingest", "outcomes", "baselines"])
@pytest.mark.parametrize("models", ["*", "churn"])
def test_a_sender_of_one_kind_of_record_for_some_models_sends_no_others(capability: Capability, models: str) -> None:
    body = log_records()
    whole = kept(Decoding().request("logs", body, NOW))
    assert whole == {name: ["churn", "fraud"] for name in ("ingest", "outcomes", "baselines")}
    request = permitted(Decoding().request("logs", body, NOW), sending(capability, models=models))
    wanted = ["churn", "fraud"] if models == "*" else ["churn"]
    assert kept(request) == {name: wanted if name == capability else [] for name in whole}
    assert request.rejected[NOT_PERMITTED] == 6 - len(wanted)


@pytest.mark.parametrize("signal", ["traces", "metrics"])
def test_spans_and_metrics_of_other_models_are_not_used(signal: Signal) -> None:
    of_model = [{a.ML_MODEL_NAME: model} for model in ("churn", "fraud")]
    spans = [span({**PREDICTION, **named, a.ML_OPERATION_NAME: "predict"}, row) for row, named in enumerate(of_model)]
    sums = [sum_of(m.ML_PREDICTIONS, 3, named, start=NOW, time=NOW + 1) for named in of_model]
    body = traces(spans) if signal == "traces" else metrics_body(sums)
    rules = sending("ingest", models="churn*").within(signal)
    request = permitted(Decoding().request(signal, body, NOW), rules)
    models = [table.key.model for table in request.predictions] + [point.key.model for point in request.points]
    assert set(models) == {"churn"}
    assert request.rejected[NOT_PERMITTED] == 1
    assert sending("ingest").within(signal) is UNRESTRICTED
    assert sending("outcomes").within(signal).rules == {"ingest": ()}


def test_the_same_bytes_of_another_sender_are_another_request() -> None:
    body = log_records()
    first = permitted(Decoding().request("logs", body, NOW), sending("ingest"))
    again = permitted(Decoding().request("logs", body, NOW), sending("ingest"))
    other = permitted(Decoding().request("logs", body, NOW), UNRESTRICTED)
    assert first.digest == again.digest != other.digest


def test_the_log_keeps_what_a_sender_may_send() -> None:
    for rules in (UNRESTRICTED, sending("ingest", models="churn-*"), sending("outcomes")):
        (stored,) = find(encode(Entry("logs", b"body", 7, sending=rules), 3), 0, 3).stored
        assert stored.entry.sending == rules


def test_a_request_that_is_read_after_a_restart_is_still_restricted(open_state: Open, clock: Clock) -> None:
    clock.now = NOW
    first = open_state().state
    first.submit("logs", log_records(), sending=sending("ingest", models="churn")).result(30)
    second = open_state().state
    second.catch_up()
    assert {view.key.model for view in second.publish().models} == {"churn"}


def test_a_sender_of_some_models_leaves_room_for_new_ones_of_others(open_state: Open, clock: Clock) -> None:
    clock.now = NOW
    state = open_state(limits=Limits(models=4)).state

    def models_of(name: str) -> set[str]:
        rows = [span({a.ML_MODEL_NAME: f"{name}-{number}", **PREDICTION}, number) for number in range(9)]
        state.submit("traces", traces(rows), sending=sending("ingest", models=f"{name}-*").within("traces")).result(30)
        state.catch_up()
        return {view.key.model for view in state.publish().models}

    assert models_of("shop") == {"shop-0", "shop-1"}
    assert models_of("fraud") == {"shop-0", "shop-1", "fraud-0", "fraud-1"}


def with_baseline(text: str) -> bytes:
    """Return a prediction and a baseline in one request."""
    sent = record(events.DRIFTLINE_BASELINE, {})
    sent.body.string_value = text
    return logs([record(events.ML_PREDICTION, {a.ML_MODEL_NAME: "churn", **PREDICTION}), sent])


def test_a_baseline_that_is_nested_too_deeply_is_refused_alone() -> None:
    request = Decoding().request("logs", with_baseline("[" * 200_000), NOW)
    rules = Sending.of([Permission(frozenset({"ingest", "baselines"}), ("churn",))])
    request = permitted(request, rules)
    assert kept(request) == {"ingest": ["churn"], "outcomes": [], "baselines": []}
    assert request.rejected[NOT_PERMITTED] == 1


def test_a_baseline_is_not_parsed_if_its_sender_may_send_none(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[object] = []
    monkeypatch.setattr(json, "loads", lambda text, **_: parsed.append(text))
    request = permitted(Decoding().request("logs", with_baseline('{"model":"churn"}'), NOW), sending("ingest"))
    assert not request.baselines
    assert not parsed
