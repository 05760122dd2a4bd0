"""The page of an alert: its condition, the result per window, and the notifications or why there were none."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route

from driftline_processor.policy.alert_history import alert_history
from driftline_processor.web.page import Page
from driftline_processor.web.site import Site

from .incidents import alert_table, context_of_alerts, decision_table


def routes(site: Site) -> list[BaseRoute]:
    """Return the route of the page."""
    return [Route("/alerts/{alert}", site.shows(lambda request: page(site, request.path_params["alert"])))]


def page(site: Site, id: str) -> Page:
    """Return the page of the alert with an id. Raises 404."""
    alerts, models = site.state.alerts, site.models
    alert = alerts.alerts.get(id)
    if alert is None:
        raise HTTPException(404, "no alert has this id; /incidents lists all alerts")
    histories = [alert_history(alerts, alert)]
    decision = site.state.parts.explanations.of_alert(alert, models)
    decisions = [] if decision is None else [decision]
    context: dict[str, Any] = {"alert": alert, "told": histories, "decisions": decisions, "whole": True}
    context |= context_of_alerts(models)
    context["zone"] = context["zone_of_alert"](alert)
    return Page("alert.html", context, {"decisions": decision_table(decisions), "alerts": alert_table(histories)})
