"""The pages of incidents: of all models, and of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from driftline_processor.core.drift.incident import WHERE
from driftline_processor.policy.alerts import Alert, AlertStore
from driftline_processor.policy.explanation import PolicyDecision, PolicyExplanations
from driftline_processor.policy.told import AlertHistory, alert_histories, alert_json
from driftline_processor.present import names
from driftline_processor.present.json_shapes import Key, or_null
from driftline_processor.present.numbers import many
from driftline_processor.present.sentences.policies import found_words
from driftline_processor.present.times import common_zone
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.incidents import AT_ONCE, KINDS, SIZES, Incident, IncidentLog
from driftline_processor.queries.overview import ModelView
from driftline_processor.web.page import Page, Table, first_shown, table_of
from driftline_processor.web.place import Place, feature_page
from driftline_processor.web.selection import Selection, about, common_context
from driftline_processor.web.site import Site

TOLD = 20
"""Alerts of a page; the API has all."""

SHOWN = 50
"""Rows of a page; CSV and JSON have all incidents."""

TABS = {
    "drift": "drift",
    "objective": "performance",
    "labels": "data",
    "service": "performance",
    "latency": "performance",
}
"""Kind of an incident → the page of its model that shows it, where that is not the overview."""


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes of the incidents of all models, and of one."""

    def show_all(request: Request) -> Page:
        return page(site.models, request.query_params, site.incidents, site.state.alerts)

    def show(selection: Selection, request: Request) -> Page:
        parts, query_params = site.state.parts, request.query_params
        return model_page(
            selection, site.clock(), query_params, log=site.incidents, alerts=parts.alerts, explained=parts.explanations
        )

    return [
        Route("/incidents", site.shows(show_all)),
        Route("/models/{name:path}/incidents", site.shows_model(show)),
    ]


def page(
    models: Sequence[ModelView], query_params: QueryParams, log: IncidentLog, alerts: AlertStore | None = None
) -> Page:
    """Return the page of all incidents.

    Args:
        models: All versions of all models.
        query_params: ``kind`` chooses one of :data:`KINDS`, ``state`` ``open`` or ``past``, ``skip`` how many are
            passed over, ``show`` ``all`` with those that nobody notices.
        log: Where they are read.
        alerts: What was told of them; None where nobody is told.
    """
    incidents = log.of(models)
    zone = common_zone(incident.timezone for incident in incidents)
    histories = [] if alerts is None else alert_histories(alerts)[:TOLD]
    tables = {"incidents": table(incidents), "alerts": alert_table(histories)}
    context = {**_context(incidents, query_params), **context_of_alerts(models), "zone": zone, "told": histories}
    return Page("incidents.html", context, tables)


def model_page(
    selection: Selection,
    now: int,
    query_params: QueryParams | None = None,
    *,
    log: IncidentLog,
    alerts: AlertStore | None = None,
    explained: PolicyExplanations | None = None,
) -> Page:
    """Return the page of a model's incidents, those of all its versions, with what was told of them, and why."""
    incidents = log.of(selection.same)
    histories = [] if alerts is None else alert_histories(alerts, selection.model.key.model)[:TOLD]
    context = {**common_context(selection, "incidents", now), **_context(incidents, query_params or QueryParams())}
    decisions = [] if explained is None else explained.of_model(selection.same)
    context = {**context, **context_of_alerts(selection.same), "told": histories, "decisions": decisions}
    tables = {"incidents": table(incidents), "alerts": alert_table(histories), "decisions": decision_table(decisions)}
    return Page("model/incidents.html", context, tables, about(selection))


def context_of_alerts(models: Sequence[ModelView]) -> dict[str, Any]:
    """Return how an alert is shown: by the clock of its model, with the address of its window."""
    zones = {(model.key.environment, model.key.model): model.timezone for model in models}

    def place(alert: Alert) -> str:
        return address_of_alert(alert) if (alert.environment, alert.model) in zones else ""

    def zone(alert: Alert) -> str:
        return zones.get((alert.environment, alert.model), "UTC")

    return {"place_of_alert": place, "zone_of_alert": zone}


def _context(incidents: Sequence[Incident], query_params: QueryParams) -> dict[str, Any]:
    kind, state = query_params.get("kind", ""), query_params.get("state", "")
    show_all = query_params.get("show", "") == "all" or kind == "latency"
    told_incidents = [incident for incident in incidents if show_all or not incident.minor]
    of_kind = [incident for incident in told_incidents if not kind or incident.kind == kind]
    listed = [incident for incident in of_kind if not state or incident.open == (state == "open")]
    rows = [IncidentRow((incident,)) for incident in listed] if kind == "drift" else incident_rows(listed)
    first = first_shown(query_params, len(rows), SHOWN)
    counts = Counter(incident.kind for incident in incidents)
    return {
        "incidents": rows[first : first + SHOWN],
        "first": first,
        "listed": len(rows),
        "shared": len(rows) < len(listed),
        "step": SHOWN,
        "kind": kind,
        "state": state,
        "kinds": [(name, words, counts[name]) for name, words in KINDS.items() if counts[name]],
        "words": KINDS,
        "folded": len(incidents) - len(told_incidents),
        "at_once": round(AT_ONCE * 1000),
        "all": len(told_incidents),
        "lasting": sum(incident.open for incident in of_kind),
        "over": sum(not incident.open for incident in of_kind),
        "place_of_incident": address,
    }


class IncidentRow(Struct, frozen=True):
    """A row of the page: an incident, or the drifts of a version behind its first ones.

    Attributes:
        incidents: In the order of the page; of several all last, or all are over.
    """

    incidents: tuple[Incident, ...]

    @property
    def since(self) -> int | None:
        """When the first of them began, unix nanoseconds."""
        return min((incident.since for incident in self.incidents if incident.since is not None), default=None)

    @property
    def until(self) -> int | None:
        """When the last of them ended, unix nanoseconds; None while they last."""
        return max((incident.until for incident in self.incidents if incident.until is not None), default=None)

    @property
    def windows(self) -> tuple[str, ...]:
        """Lengths of the windows that show any of them."""
        return tuple(dict.fromkeys(window for incident in self.incidents for window in incident.windows))

    @property
    def words(self) -> str:
        """How many there are, and of which size."""
        sizes = Counter(incident.size for incident in self.incidents)
        size_words = [f"{count} {size or 'of unknown size'}" for size in reversed([*SIZES]) if (count := sizes[size])]
        return f"{many(len(self.incidents), 'more drift')}: {', '.join(size_words)}"


def incident_rows(listed: Iterable[Incident]) -> list[IncidentRow]:
    """Return the rows of incidents, in their order: of many drifts of a version, the first alone, and one for the rest.

    So what is graver, or was, does not stand below a page of small drifts.
    """
    rows, places = list[IncidentRow](), dict[tuple[object, bool], list[int]]()
    for incident in listed:
        place_incidents = places.setdefault((incident.key, incident.open), [])
        # 3: drifts of a version that have rows of their own, of those that last and of those that are over; more share
        # one
        if incident.kind != "drift" or len(place_incidents) <= 3:
            if incident.kind == "drift":
                place_incidents.append(len(rows))
            rows.append(IncidentRow((incident,)))
            continue
        rows[place_incidents[-1]] = IncidentRow((*rows[place_incidents[-1]].incidents, incident))
    return rows


def address(incident: Incident) -> str:
    """Return the address of the window that shows an incident, on the page that shows such incidents."""
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
        "name model=key.model version=key.version environment=key.environment kind subject",
        *(Key(name, by=lambda time: None if time is None else iso_time(time)) for name in ("since", "until")),
        *(Key("windows", by=" ".join), "sentence", or_null("ended"), Key("address", "", address)),
    )


def decision_table(decisions: Sequence[PolicyDecision]) -> Table:
    """Return what policies decided as data: a row for each window and each sentence of a condition."""
    columns = ("policy", "version", "environment", "start", "end", "condition", "holds", "found", "measured")
    rows = []
    for decision in decisions:
        for window in decision.windows:
            ends = iso_time(window.window.start), iso_time(window.window.end)
            for part in window.parts:
                cells = part.written, part.holds, found_words(part.facts), found_words(part.measured) or None
                rows.append(
                    (decision.policy, decision.key.version, decision.key.environment, *ends, *cells, window.outcome)
                )
    return Table((*columns, "outcome"), rows)


def alert_table(alert_histories: Sequence[AlertHistory]) -> Table:
    """Return alerts as data; what was sent of each is one text."""
    names_of_columns = "id policy model environment version severity owner state open since until found"
    columns = (*names_of_columns.split(), "acknowledged_by", "sent")
    rows = []
    for history in alert_histories:
        document = alert_json(history) | {"acknowledged_by": history.alert.acknowledged_by or None}
        document["sent"] = " ".join(
            f"{sent.message.kind}:{sent.message.channel}:{sent.result}" for sent in history.sent
        )
        rows.append([document[name] for name in columns])
    return Table(columns, rows)
