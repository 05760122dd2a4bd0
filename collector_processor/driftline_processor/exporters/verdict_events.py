"""Send a log record when the verdict of a model changes, with a sentence as its body and the advice as attributes.

A record is lost if the processor is killed before it is sent; ``driftline.model.status`` still has the state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from driftline.semconv import SCHEMA_URL, events
from driftline.semconv import attributes as a
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1 import logs_pb2 as otlp

from driftline_processor.core.evaluation import VerdictState
from driftline_processor.present.links import NO_LINKS, Links
from driftline_processor.present.sentences.verdict import verdict_action, verdict_sentence
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.verdicts import VerdictChange

from .derived_metrics import set_origin, text_value

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
    scope = resource.scope_logs.add(schema_url=SCHEMA_URL)
    set_origin(resource, scope, key.environment)
    number, severity = SEVERITIES[verdict.state]
    record = scope.log_records.add(
        time_unix_nano=change.time,
        observed_time_unix_nano=change.time,
        event_name=events.DRIFTLINE_VERDICT_CHANGE,
        severity_number=number,
        severity_text=severity,
        body=text_value("", verdict_sentence(verdict)).value,
        attributes=[text_value(a.ML_MODEL_NAME, key.model)],
    )
    if key.version:
        record.attributes.append(text_value(a.ML_MODEL_VERSION, key.version))
    record.attributes.append(text_value(a.DRIFTLINE_STATE, verdict.state))
    record.attributes.append(text_value(a.DRIFTLINE_VERDICT_PREVIOUS_STATE, change.before))
    if verdict.since is not None:
        record.attributes.append(text_value(a.DRIFTLINE_VERDICT_SINCE, iso_time(verdict.since)))
    if verdict.advice is not None:
        record.attributes.append(text_value(a.DRIFTLINE_VERDICT_ADVICE, verdict_action(verdict)))
    if page := links.model_link(key):
        record.attributes.append(text_value(a.DRIFTLINE_PAGE_URL_FULL, page))
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
