"""A verdict that changes is a log record: the sentence, the state before and now, and what to do."""

from __future__ import annotations

from typing import get_args

import pytest
from driftline.capture.model_identity import VERSION
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.table import ModelKey
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Verdict, VerdictState
from driftline_processor.exporters.verdict_events import SEVERITIES, VerdictEvents, change_request
from driftline_processor.present.links import Links
from driftline_processor.present.sentences.verdict import verdict_action, verdict_sentence
from driftline_processor.queries.verdicts import VerdictChange
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

NOW = 1_800_000_000 * 10**9


def change(name: str = "churn", column: str = "age") -> VerdictChange:
    moved = facts.ColumnMoved(name=column)
    verdict = Verdict("degraded", NOW, "mae", 9.0, 5.0, 13.0, reasons=(moved,), advice=facts.CheckService())
    return VerdictChange(ModelKey(name, "7", "prod"), "healthy", verdict, NOW + 1)


def test_a_change_is_one_record_with_the_sentence_as_its_body() -> None:
    (resource,) = ExportLogsServiceRequest.FromString(change_request(change())).resource_logs
    (scope,) = resource.scope_logs
    (record,) = scope.log_records
    assert {one.key: one.value.string_value for one in resource.resource.attributes} == {
        a.SERVICE_NAME: "driftline",
        a.SERVICE_VERSION: VERSION,
        a.DEPLOYMENT_ENVIRONMENT_NAME: "prod",
    }
    assert (record.event_name, record.severity_text, record.time_unix_nano) == (
        events.DRIFTLINE_VERDICT_CHANGE,
        "ERROR",
        NOW + 1,
    )
    assert record.body.string_value == verdict_sentence(change().verdict)
    assert {one.key: one.value.string_value for one in record.attributes} == {
        a.ML_MODEL_NAME: "churn",
        a.ML_MODEL_VERSION: "7",
        a.DRIFTLINE_STATE: "degraded",
        a.DRIFTLINE_VERDICT_PREVIOUS_STATE: "healthy",
        a.DRIFTLINE_VERDICT_SINCE: "2027-01-15T08:00:00Z",
        a.DRIFTLINE_VERDICT_ADVICE: verdict_action(change().verdict),
    }


@pytest.mark.parametrize("name", ["a\udcffb", "<b>\x1b[2J", "x" * 10_000, '"\n\\'])
def test_a_hostile_name_is_a_record_all_the_same(name: str) -> None:
    body = change_request(change(name, name))
    (record,) = ExportLogsServiceRequest.FromString(body).resource_logs[0].scope_logs[0].log_records
    assert "\x1b" not in record.body.string_value


def test_every_state_has_a_severity() -> None:
    assert SEVERITIES.keys() == set(get_args(VerdictState))


def test_each_destination_is_offered_a_change() -> None:
    first: list[bytes] = []
    second: list[bytes] = []
    VerdictEvents([first.append, second.append])(change())
    VerdictEvents([])(change())
    assert first == second == [change_request(change())]


def test_a_record_leads_to_the_page_of_its_model_where_people_can_reach_it() -> None:
    sent: list[bytes] = []
    VerdictEvents([sent.append], Links(public_url="https://driftline.example.com"))(change())
    (record,) = ExportLogsServiceRequest.FromString(sent[0]).resource_logs[0].scope_logs[0].log_records
    pages = [one.value.string_value for one in record.attributes if one.key == a.DRIFTLINE_PAGE_URL_FULL]
    assert pages == ["https://driftline.example.com/models/churn?version=7&environment=prod"]
