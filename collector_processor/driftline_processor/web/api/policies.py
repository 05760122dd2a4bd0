"""The decisions of policies with their reasons, and replays of other policies over the windows in memory.

``GET /api/v1/models/{model}/policies``, ``GET /api/v1/alerts/{alert}`` and ``POST /api/v1/policies/replay``. A replay
stores nothing.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded, require
from driftline_processor.config.policies import read_policies
from driftline_processor.core.decode.untrusted_json import TooLarge, check_json
from driftline_processor.policy.alert_history import alert_history, alert_json
from driftline_processor.policy.explanation import decision_json
from driftline_processor.policy.replay import replay_policies, watched_models
from driftline_processor.present.names import handle
from driftline_processor.receipts import Overloaded
from driftline_processor.servers.http_body import Body, receive_body
from driftline_processor.web.answers import FiniteJSON
from driftline_processor.web.parameters import find_model
from driftline_processor.web.site import Site

MAX_POLICIES = 2**18
"""Upper limit of bytes per policy file; the policies of fifty models are about ten thousand bytes."""

MOST = 100
"""Upper limit of policies per replay."""

MOST_STEPS = 20_000_000
"""Upper limit of windows that the replays of one request read in sum: about half a minute."""


_EXAMPLE = '{"policies": {"NAME": {"when": "accuracy < 85 %"}}}'


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes. One replay runs at a time."""
    state = site.state
    busy = threading.Lock()

    def decisions(request: Request) -> Response:
        name = find_model(request, state.snapshot).key.model
        found = state.parts.explanations.of_model(state.snapshot.versions_of(handle(name)))
        return FiniteJSON({"policies": [decision_json(decision) for decision in found]})

    def one_alert(request: Request) -> Response:
        alert = state.alerts.alerts.get(request.path_params["alert"])
        if alert is None:
            raise HTTPException(404, "no alert has this id; GET /api/v1/alerts lists all alerts")
        require(request, "read", alert.model)
        decision = state.parts.explanations.of_alert(alert, state.snapshot.versions_of(handle(alert.model)))
        decision_document = None if decision is None else decision_json(decision)
        return FiniteJSON(
            {
                **alert_json(alert_history(state.alerts, alert, state.notifications.request_of)),
                "decision": decision_document,
            }
        )

    async def replay(request: Request) -> Response:
        try:
            body = await receive_body(request, MAX_POLICIES)
            return FiniteJSON(await run_in_threadpool(answer, body, request.query_params.get("model", "")))
        except TooLarge:
            raise HTTPException(
                413, f"the policies are larger than {MAX_POLICIES >> 10} KiB; send fewer at a time"
            ) from None

    def answer(body: Body, model: str) -> Mapping[str, Any]:
        policies, all_quiet = _read_policies(body.unpacked())
        models = watched_models(state.snapshot.models, model)
        if model and not models:
            raise HTTPException(404, f"no model {model[:80]!r} is in use; GET /api/v1/models lists all models")
        if len(policies) * sum(model.steps for model in models) > MOST_STEPS:
            raise HTTPException(400, "the replay needs too many windows; add ?model=NAME, or send fewer policies")
        if not busy.acquire(blocking=False):
            raise Overloaded
        try:
            return replay_policies(policies, models, all_quiet=all_quiet)
        finally:
            busy.release()

    return [
        Guarded("/api/v1/models/{name:path}/policies", decisions, may="read", parameters="version environment"),
        Guarded("/api/v1/alerts/{alert}", one_alert, may="read", by_model=True, parameters=""),
        Guarded("/api/v1/policies/replay", replay, methods=["POST"], may="read", parameters="model"),
    ]


def _read_policies(data: bytes) -> tuple[Mapping[str, Any], bool]:
    """Return the policies of a body and whether to treat all windows as free of drift. Raises 400 with a sentence."""
    try:
        check_json(data)
        document = json.loads(data)
    except (UnicodeDecodeError, ValueError):
        raise HTTPException(400, f"the body is not JSON; send {_EXAMPLE}") from None
    if not isinstance(document, dict) or not {*document} <= {"policies", "all_quiet"}:
        raise HTTPException(400, f'the body must be {_EXAMPLE}, optionally with "all_quiet": true')
    all_quiet = document.get("all_quiet", False)
    if not isinstance(all_quiet, bool):
        raise HTTPException(400, "all_quiet must be true or false")
    try:
        policies = read_policies(document.get("policies", {}))
    except ValueError as error:
        raise HTTPException(400, str(error)) from None
    if len(policies) > MOST:
        raise HTTPException(400, f"the request contains {len(policies)} policies; the maximum is {MOST}")
    return policies, all_quiet
