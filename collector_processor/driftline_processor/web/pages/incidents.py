"""The pages of incidents, of all models and of one model, and of an alert with its condition and notifications."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.core.drift.incident import WHERE
from driftline_processor.policy.alert_history import AlertHistory, alert_histories, alert_history, alert_json
from driftline_processor.policy.alerts import Alert
from driftline_processor.policy.explanation import PolicyDecision
from driftline_processor.policy.silences import NamedSilence
from driftline_processor.present import names
from driftline_processor.present.alerts import kind_words
from driftline_processor.present.json_shapes import Key, or_null, time_at
from driftline_processor.present.sentences.policies import found_words
from driftline_processor.present.times import common_zone
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.incidents import AT_ONCE, KINDS, Incident
from driftline_processor.queries.model_view import ModelView
from driftline_processor.web.page import Page, Table, first_shown, table_of
from driftline_processor.web.place import Place, feature_page
from driftline_processor.web.selection import Selection, about, common_context
from driftline_processor.web.site import Site

TOLD = 20
"""Alerts per page; the API has all."""

SHOWN = 50
"""Rows per page; CSV and JSON have all incidents."""

TABS = {
    "drift": "drift",
    "objective": "performance",
    "labels": "data",
    "service": "performance",
    "latency": "performance",
}
"""Kind of an incident → the page of its model that shows it, if that is not the overview."""


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes of the incidents of all models and of one, and of an alert."""
    return [
        Guarded("/incidents", site.shows(lambda request: page(site, request.query_params)), may="read"),
        Guarded(
            "/models/{name:path}/incidents",
            site.shows_model(lambda selection, request: model_page(selection, site, request.query_params)),
            may="read",
        ),
        Guarded(
            "/alerts/{alert}", site.shows(lambda request: alert_page(site, request.path_params["alert"])), may="read"
        ),
    ]


def page(site: Site, query_params: QueryParams) -> Page:
    """Return all incidents; ``query_params``: ``kind``, ``state`` (open or over), ``show=all`` and ``skip``."""
    incidents = site.incidents.of(site.models)
    zone = common_zone(incident.timezone for incident in incidents)
    histories = alert_histories(site.state.alerts, request_of=site.state.notifications.request_of)[:TOLD]
    tables = {"incidents": table(incidents), "alerts": alert_table(histories)}
    context = {
        **_context(incidents, query_params),
        **context_of_alerts(site, site.models),
        "zone": zone,
        "told": histories,
    }
    return Page("incidents.html", context, tables)


def model_page(selection: Selection, site: Site, query_params: QueryParams) -> Page:
    """Return the incidents of a model, and the decisions of its policies; ``query_params`` as for :func:`page`."""
    incidents = site.incidents.of(selection.versions)
    request_of = site.state.notifications.request_of
    histories = alert_histories(site.state.alerts, selection.model.key.model, request_of)[:TOLD]
    decisions = site.state.parts.explanations.of_model(selection.versions)
    context = {
        **common_context(selection, "incidents", site.clock()),
        **_context(incidents, query_params),
        **context_of_alerts(site, selection.versions),
        "told": histories,
        "decisions": decisions,
    }
    tables = {"incidents": table(incidents), "alerts": alert_table(histories), "decisions": decision_table(decisions)}
    return Page("model/incidents.html", context, tables, about(selection))


def alert_page(site: Site, id: str) -> Page:
    """Return the page of the alert with an id. Raises 404."""
    alerts, models = site.state.alerts, site.models
    alert = alerts.alerts.get(id)
    if alert is None:
        raise HTTPException(404, "no alert has this id; /incidents lists all alerts")
    histories = [alert_history(alerts, alert, site.state.notifications.request_of)]
    decision = site.state.parts.explanations.of_alert(alert, models)
    decisions = [] if decision is None else [decision]
    context: dict[str, Any] = {"alert": alert, "told": histories, "decisions": decisions, "whole": True}
    context |= context_of_alerts(site, models)
    context["zone"] = context["zone_of_alert"](alert)
    return Page("alert.html", context, {"decisions": decision_table(decisions), "alerts": alert_table(histories)})


def context_of_alerts(site: Site, models: Sequence[ModelView]) -> dict[str, Any]:
    """Return the template functions for alerts: time in the model's time zone, address of the window, and silence."""
    zones = {(model.key.environment, model.key.model): model.timezone for model in models}
    silences, now = site.state.parts.silences, site.clock()

    def place(alert: Alert) -> str:
        return address_of_alert(alert) if (alert.environment, alert.model) in zones else ""

    def zone(alert: Alert) -> str:
        return zones.get((alert.environment, alert.model), "UTC")

    def silence(alert: Alert) -> NamedSilence | None:
        return silences.covering(alert, now) if alert.open else None

    return {"place_of_alert": place, "zone_of_alert": zone, "silence_of": silence, "kind_words": kind_words}


def _context(incidents: Sequence[Incident], query_params: QueryParams) -> dict[str, Any]:
    kind, state = query_params.get("kind", ""), query_params.get("state", "")
    show_all = query_params.get("show", "") == "all" or kind == "latency"
    told_incidents = [incident for incident in incidents if show_all or not incident.minor]
    of_kind = [incident for incident in told_incidents if not kind or incident.kind == kind]
    listed = [incident for incident in of_kind if not state or incident.open == (state == "open")]
    first = first_shown(query_params, len(listed), SHOWN)
    in_state = [one for one in told_incidents if not state or one.open == (state == "open")]
    counts = Counter(incident.kind for incident in in_state)
    return {
        "incidents": listed[first : first + SHOWN],
        "first": first,
        "listed": len(listed),
        "step": SHOWN,
        "kind": kind,
        "state": state,
        "kinds": [(name, words, counts[name]) for name, words in KINDS.items() if counts[name]],
        "of_all_kinds": len(in_state),
        "words": KINDS,
        "folded": len(incidents) - len(told_incidents),
        "at_once": round(AT_ONCE * 1000),
        "all": len(told_incidents),
        "lasting": sum(incident.open for incident in of_kind),
        "resolved": sum(not incident.open for incident in of_kind),
        "place_of_incident": address,
    }


def address(incident: Incident) -> str:
    """Return the address of the window that shows an incident, on the page of its kind."""
    key, part = incident.key, incident.subject.partition(WHERE)[0]
    tab = TABS.get(incident.kind, "")
    if incident.kind == "drift" and part.startswith("feature:"):
        tab = feature_page(part.removeprefix("feature:"))
    start = "" if incident.start is None else iso_time(incident.start)
    window = incident.windows[0] if incident.windows else ""
    place = Place(
        names.handle(key.model), names.handle(key.version), names.handle(key.environment) or None, window, start
    )
    return place.address(tab)


def address_of_alert(alert: Alert) -> str:
    """Return the address of the window that shows an alert, on the page of its model."""
    start = "" if alert.start is None or not alert.window else iso_time(alert.start)
    environment = names.handle(alert.environment) or None
    return Place(names.handle(alert.model), names.handle(alert.version), environment, alert.window, start).address("")


def table(incidents: Sequence[Incident]) -> Table:
    """Return incidents as data."""
    return table_of(
        incidents,
        "name model=key.model version=key.version environment=key.environment kind severity subject",
        *map(time_at, ("since", "until")),
        *(Key("windows", by=" ".join), "sentence", or_null("ended"), Key("address", "", address)),
    )


def decision_table(decisions: Sequence[PolicyDecision]) -> Table:
    """Return decisions of policies as data: a row for each window and each sentence of a condition."""
    columns = ("policy", "version", "environment", "start", "end", "condition", "holds", "finding", "measured")
    rows = []
    for decision in decisions:
        for window in decision.windows:
            ends = iso_time(window.window.start), iso_time(window.window.end)
            for part in window.parts:
                cells = part.text, part.holds, found_words(part.facts), found_words(part.measured) or None
                rows.append(
                    (decision.policy, decision.key.version, decision.key.environment, *ends, *cells, window.outcome)
                )
    return Table((*columns, "outcome"), rows)


def alert_table(alert_histories: Sequence[AlertHistory]) -> Table:
    """Return alerts as data; the notifications of an alert are one text."""
    names_of_columns = "id policy model environment version severity owner state open since until finding"
    columns = (*names_of_columns.split(), "acknowledged_by", "sent")
    rows = []
    for history in alert_histories:
        document = alert_json(history) | {"acknowledged_by": history.alert.acknowledged_by or None}
        document["sent"] = " ".join(
            f"{sent.message.kind}:{sent.message.channel}:{sent.result}" for sent in history.sent
        )
        rows.append([document[name] for name in columns])
    return Table(columns, rows)
