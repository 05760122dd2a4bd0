"""The review of a period: a page, and a file to print and send."""

from __future__ import annotations

from typing import Any, Final

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.governance.review import DECIDED, Review, ReviewedModel, review
from driftline_processor.governance.scorecard import GRADES
from driftline_processor.present.money import amount_text
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.incidents import KINDS
from driftline_processor.web.inline_style import content_security_policy, style
from driftline_processor.web.page import Page, Table, render
from driftline_processor.web.site import Site

from .scorecard import SUBJECT_WORDS, first_reason, lines_table, models_table, period_of

MOST: Final = 5
"""Incidents per model in the review, open ones first; CSV has all."""


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes of the page and of its file."""

    def show(request: Request) -> Page:
        return page(site, request.query_params)

    def save(request: Request) -> Response:
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": content_security_policy()}
        return HTMLResponse(to_file(show(request)).encode("utf-8", "replace"), headers=headers)

    return [
        Guarded("/review", site.shows(show), may="read"),
        Guarded("/api/v1/review", save, may="read", parameters="quarter from to"),
    ]


def page(site: Site, query_params: QueryParams) -> Page:
    """Return the review of a period; ``query_params``: ``quarter``, or ``from`` and ``to``."""
    now, models = site.clock(), site.models
    period = period_of(query_params, models, now)
    alerts = [*site.state.alerts.alerts.values()]
    # 10_000: decisions per period that are listed; the audit log has all
    decided, _ = site.state.audit_log.entries(kinds=DECIDED, period=(period.start, period.end), limit=10_000)
    period_review = review(models, period, site.incidents.of(models), alerts, decided)
    context: dict[str, Any] = {
        "now": now,
        "review": period_review,
        "words": GRADES,
        "subjects": SUBJECT_WORDS,
        "amount": amount_text,
        "telling": sum(model.card.loss is not None for model in period_review.models),
        "most": MOST,
        "first_reason": first_reason,
    }
    return Page("review.html", context, _tables(period_review), _about(period_review))


def to_file(page: Page) -> str:
    """Return the page of a review as one HTML document with its style, without scripts and links to a server."""
    return render(page.template, "report", formats=False, address=lambda **_: "", style=style(), **page.context)


def _about(review: Review) -> dict[str, Any]:
    period = review.period
    return {
        "period": period.name or None,
        "from": iso_time(period.start),
        "to": iso_time(period.end),
        "loss": review.loss,
        "currency": review.currency or None,
    }


def _tables(review: Review) -> dict[str, Table]:
    cards = [model.card for model in review.models]
    decided = [
        (iso_time(decision.time), decision.model, decision.what, decision.by, decision.why)
        for decision in review.decisions
    ]
    return {
        "models": models_table(cards),
        "lines": lines_table(cards),
        "incidents": Table(
            ("model", "version", "kind", "since", "until", "lasted_seconds", "open", "sentence", "taken_by"),
            [row for model in review.models for row in _incidents(model)],
        ),
        "decisions": Table(("time", "model", "decision", "by", "why"), decided),
        "trends": Table(
            ("model", "metric", "first", "last", "baseline", "windows", "predictions"),
            [(model.card.model.key.model, *model.trend[1:]) for model in review.models],
        ),
    }


def _incidents(reviewed_model: ReviewedModel) -> list[tuple[object, ...]]:
    return [
        (
            *(incident.key.model, incident.key.version, KINDS[incident.kind]),
            *(None if time is None else iso_time(time) for time in (incident.since, incident.until)),
            *(None if lasted is None else lasted // 10**9, incident.open, incident.sentence, taken_by or None),
        )
        for incident, lasted, taken_by in reviewed_model.incidents
    ]
