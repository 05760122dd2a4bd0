"""The page of an alert: its condition, the result per window, and the notifications or why there were none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from driftline_processor.policy.alerts import AlertStore
from driftline_processor.policy.explanation import PolicyExplanations
from driftline_processor.policy.told import alert_history
from driftline_processor.queries.overview import ModelView
from driftline_processor.web.page import Page
from driftline_processor.web.site import Site

from .incidents import alert_table, context_of_alerts, decision_table


def routes(site: Site) -> list[BaseRoute]:
    """Return the route of the page."""

    def show(request: Request) -> Page:
        parts = site.state.parts
        return page(request.path_params["alert"], site.models, parts.alerts, parts.explanations)

    return [Route("/alerts/{alert}", site.shows(show))]


def page(
    id: str, models: Sequence[ModelView], alerts: AlertStore | None, explained: PolicyExplanations | None = None
) -> Page:
    """Return the page of an alert.

    Args:
        id: Id of the alert.
        models: All versions of all models.
        alerts: Store of alerts; None if there are no notifications.
        explained: Explains the decisions of the policy; None = there are no policies.
    """
    alert = None if alerts is None else alerts.alerts.get(id)
    if alerts is None or alert is None:
        raise HTTPException(404, "no alert has this id; /incidents lists all alerts")
    histories = [alert_history(alerts, alert)]
    decision = None if explained is None else explained.of_alert(alert, models)
    decisions = [] if decision is None else [decision]
    context: dict[str, Any] = {"alert": alert, "told": histories, "decisions": decisions, "whole": True}
    context |= context_of_alerts(models)
    context["zone"] = context["zone_of_alert"](alert)
    return Page("alert.html", context, {"decisions": decision_table(decisions), "alerts": alert_table(histories)})
