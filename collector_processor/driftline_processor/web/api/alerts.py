"""``GET /api/v1/alerts``: the alerts of policies and their notifications.

``POST`` acknowledges an alert or approves an action.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded, principal_of, require
from driftline_processor.policy.alert_history import alert_histories, alert_history, alert_json
from driftline_processor.policy.alerts import AlertStore
from driftline_processor.policy.approvals import ApprovalError
from driftline_processor.web.answers import FiniteJSON
from driftline_processor.web.site import Site

from .forms import read_form, return_to_page

MOST = 1000


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes."""
    state = site.state

    def alerts(request: Request) -> Response:
        query_params = request.query_params
        if query_params.get("state", "") not in ("", "open", "resolved"):
            raise HTTPException(400, f"state={query_params['state'][:40]!r} is not supported; use open or resolved")
        may = principal_of(request.scope).may
        found = alert_histories(state.alerts, query_params.get("model"), state.notifications.request_of)
        histories = [history for history in found if may("read", history.alert.model)]
        chosen = [
            history
            for history in histories
            if not query_params.get("state") or history.alert.open == (query_params["state"] == "open")
        ]
        return FiniteJSON({"alerts": [alert_json(history) for history in chosen[:MOST]]})

    async def take_on(request: Request) -> Response:
        form = await read_form(request, ("by", "why", "take_over"), {})
        _check_model(request, state.alerts)
        if form["take_over"] not in ("", "true"):
            raise HTTPException(400, f"take_over={form['take_over'][:40]!r} is not supported; use true, or remove it")
        arguments = request.path_params["alert"], form["by"], form["why"], form["take_over"] == "true"
        acknowledged = await run_in_threadpool(state.notifications.acknowledge, *arguments)
        if acknowledged is None:
            raise HTTPException(404, "no alert has this id; GET /api/v1/alerts lists all alerts")
        return _answer(request, acknowledged.id, acknowledged_by_you=acknowledged.acknowledged_by == form["by"])

    async def consent(request: Request) -> Response:
        needed = {"why": "add the reason", "action": "add the action"}
        needed["digest"] = "add the digest of the request that GET /api/v1/alerts shows"
        form, alert = await read_form(request, ("by", "why", "action", "digest"), needed), request.path_params["alert"]
        _check_model(request, state.alerts)
        arguments = form["action"], form["by"], form["why"], form["digest"]
        try:
            approved = await run_in_threadpool(state.notifications.approve, alert, *arguments)
        except ApprovalError as conflict:
            raise HTTPException(409, str(conflict)) from None
        if approved is None:
            raise HTTPException(
                404,
                "this alert has no action of this name that waits for approval; GET /api/v1/alerts lists the actions",
            )
        return _answer(request, alert)

    def _answer(request: Request, alert: str, **more: bool) -> Response:
        """Return the current state of an alert as JSON; redirect a browser to the alert's page."""
        if "text/html" in request.headers.get("accept", ""):
            return return_to_page(request, "/incidents")
        known_alert = state.alerts.alerts[alert]
        return FiniteJSON(alert_json(alert_history(state.alerts, known_alert, state.notifications.request_of)) | more)

    return [
        Guarded("/api/v1/alerts", alerts, may="read", by_model=True, parameters="model state"),
        Guarded(
            "/api/v1/alerts/{alert}/acknowledgement",
            take_on,
            methods=["POST"],
            may="decide",
            by_model=True,
            form=True,
            parameters="",
        ),
        Guarded(
            "/api/v1/alerts/{alert}/approval",
            consent,
            methods=["POST"],
            may="decide",
            by_model=True,
            form=True,
            parameters="",
        ),
    ]


def _check_model(request: Request, store: AlertStore) -> None:
    """Raise 403 if the sender may not decide about the model of an alert."""
    alert = store.alerts.get(request.path_params["alert"])
    if alert is not None:
        require(request, "decide", alert.model)
