"""Send a log record when the verdict of a model changes, with a sentence as its body and the advice as attributes.

A record is lost if the processor is killed before it is sent; ``driftline.model.status`` still has the state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from driftline.capture.model_identity import VERSION
from driftline.semconv import SCHEMA_URL, events
from driftline.semconv import attributes as a
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1 import logs_pb2 as otlp

from driftline_processor.core.decode.otlp_rows import OWN_SCOPE
from driftline_processor.core.evaluation import VerdictState
from driftline_processor.present.links import NO_LINKS, Links
from driftline_processor.present.verdicts import verdict_next, verdict_sentence
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.verdicts import VerdictChange

from .derived_metrics import SERVICE

SEVERITIES: Final[dict[VerdictState, tuple[otlp.SeverityNumber.ValueType, str]]] = {
    "degraded": (otlp.SEVERITY_NUMBER_ERROR, "ERROR"),
    "no_data": (otlp.SEVERITY_NUMBER_ERROR, "ERROR"),
    "at_risk": (otlp.SEVERITY_NUMBER_WARN, "WARN"),
    "lagging": (otlp.SEVERITY_NUMBER_WARN, "WARN"),
    "unknown": (otlp.SEVERITY_NUMBER_INFO, "INFO"),
    "healthy": (otlp.SEVERITY_NUMBER_INFO, "INFO"),
}
"""State → the severity of the record."""


def change_request(change: VerdictChange, links: Links = NO_LINKS) -> bytes:
    """Return a change as the body of an ``ExportLogsServiceRequest``; ``links``: address of the model's page."""
    key, verdict = change.key, change.verdict
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.append(_text(a.SERVICE_NAME, SERVICE))
    if key.environment:
        resource.resource.attributes.append(_text(a.DEPLOYMENT_ENVIRONMENT_NAME, key.environment))
    scope = resource.scope_logs.add(schema_url=SCHEMA_URL)
    scope.scope.name, scope.scope.version = OWN_SCOPE, VERSION
    number, severity = SEVERITIES[verdict.state]
    record = scope.log_records.add(
        time_unix_nano=change.time,
        observed_time_unix_nano=change.time,
        event_name=events.DRIFTLINE_VERDICT_CHANGE,
        severity_number=number,
        severity_text=severity,
        body=AnyValue(string_value=_encodable(verdict_sentence(verdict))),
        attributes=[_text(a.ML_MODEL_NAME, key.model)],
    )
    if key.version:
        record.attributes.append(_text(a.ML_MODEL_VERSION, key.version))
    record.attributes.append(_text(a.DRIFTLINE_STATE, verdict.state))
    record.attributes.append(_text(a.DRIFTLINE_VERDICT_PREVIOUS_STATE, change.before))
    if verdict.since is not None:
        record.attributes.append(_text(a.DRIFTLINE_VERDICT_SINCE, iso_time(verdict.since)))
    if verdict.advice is not None:
        record.attributes.append(_text(a.DRIFTLINE_VERDICT_ADVICE, verdict_next(verdict)))
    if page := links.model_link(key):
        record.attributes.append(_text(a.DRIFTLINE_PAGE_URL_FULL, page))
    return bytes(request.SerializeToString())


class VerdictEvents:
    """Offers each change to every destination: a listener of ``State.on_verdict``."""

    def __init__(self, offers: Sequence[Callable[[bytes], object]], links: Links = NO_LINKS) -> None:
        self._offers, self._links = offers, links

    def __call__(self, change: VerdictChange) -> None:
        """Send one change."""
        if self._offers:
            body = change_request(change, self._links)
            for offer in self._offers:
                offer(body)


def _text(key: str, text: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=_encodable(text)))


def _encodable(text: str) -> str:
    """Replace unpaired surrogates, which received names may contain and UTF-8 cannot encode."""
    return text.encode("utf-8", "replace").decode()
