"""The scorecards: of one model, and of all models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.governance.period import USUAL_DAYS, Period, read_period
from driftline_processor.governance.review import ReviewedDecision
from driftline_processor.governance.scorecard import GRADES, Scorecard, scorecard, scorecards
from driftline_processor.present import names
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.incidents import IncidentLog
from driftline_processor.queries.model_view import ModelView
from driftline_processor.web.page import Page, Table
from driftline_processor.web.place import Place
from driftline_processor.web.selection import Selection, about, common_context
from driftline_processor.web.site import Site

SUBJECT_WORDS: Final = {
    "verdict": "verdict",
    "objectives": "objectives",
    "drift": "drift",
    "labels": "outcomes",
    "service": "calls",
    "incidents": "incidents",
    "baseline": "baseline",
    "fairness": "fairness",
    "money": "money",
}
"""Subject of a line → its words."""


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes of the scorecards of all models and of one model."""

    def show_all(request: Request) -> Page:
        return page(site.models, request.query_params, site.clock(), site.incidents)

    def show(selection: Selection, request: Request) -> Page:
        return model_page(selection, site, request.query_params)

    return [
        Guarded("/scorecard", site.shows(show_all), may="read"),
        Guarded("/models/{name:path}/scorecard", site.shows_model(show), may="read"),
    ]


def page(model_views: Sequence[ModelView], query_params: QueryParams, now: int, log: IncidentLog) -> Page:
    """Return the scorecards of all models.

    Args:
        model_views: All versions of all models.
        query_params: ``quarter``, or ``from`` and ``to``; ``tier`` and ``team`` filter models.
        now: Unix nanoseconds.
        log: Source of the incidents.
    """
    period = period_of(query_params, model_views, now)
    tier, team = query_params.get("tier", "").strip(), query_params.get("team", "").strip()
    cards = [
        card
        for card in scorecards(model_views, period, log.of(model_views))
        if (not tier or card.tier == tier) and (not team or card.owner == team)
    ]
    unset = [name for name in SUBJECT_WORDS if all(card.grades[name].grade == "not_agreed" for card in cards)]
    context: dict[str, Any] = {
        "now": now,
        "period": period,
        "periods": _periods(query_params),
        "review": "/review?"
        + urlencode([(name, query_params[name]) for name in ("quarter", "from", "to") if query_params.get(name)]),
        "cards": [(card, card_address(card), first_reason(card)) for card in cards],
        "columns": [name for name in SUBJECT_WORDS if name not in unset],
        "unset": [SUBJECT_WORDS[name] for name in unset],
        "subjects": SUBJECT_WORDS,
        "filtered": bool(tier or team),
    }
    return Page("scorecard.html", context, {"models": models_table(cards), "lines": lines_table(cards)}, _about(period))


def model_page(selection: Selection, site: Site, query_params: QueryParams) -> Page:
    """Return the scorecard of one model with the decisions about it; ``query_params`` as for :func:`page`."""
    now = site.clock()
    place = selection.place
    parameters = {"from": place.since if place.since != "all" else "", "to": place.until} | dict(query_params)
    period = period_of(
        QueryParams({name: value for name, value in parameters.items() if value}), selection.versions, now
    )
    as_of = selection.verdict() if selection.past else None
    card = scorecard(selection.versions, period, site.incidents.of(selection.versions), as_of)
    decisions = site.state.parts.decisions.of(selection.model.key.model)
    # 50: decisions per page; the API has all
    context = {
        **common_context(selection, "scorecard", now),
        "period": period,
        "card": card,
        "subjects": SUBJECT_WORDS,
        "decisions": [
            ReviewedDecision(decision.time, decision.model, decision.words, decision.by, decision.why)
            for decision in decisions[:50]
        ],
    }
    columns = ("time", "version", "kind", "by", "why")
    rows = [
        (iso_time(decision.time), decision.version, decision.kind, decision.by, decision.why) for decision in decisions
    ]
    tables = {"lines": lines_table([card]), "decisions": Table(columns, rows)}
    return Page("model/scorecard.html", context, tables, {**about(selection), **_about(period)})


def period_of(query_params: QueryParams, model_views: Sequence[ModelView], now: int) -> Period:
    """Return the period of an address, by default the last 90 days of the models' clocks. Raises 400."""
    newest = max((view.watermark for view in model_views), default=0) or now
    try:
        return read_period(
            query_params.get("quarter", ""), query_params.get("from", ""), query_params.get("to", ""), newest
        )
    except ValueError as wrong:
        raise HTTPException(400, str(wrong)) from None


def first_reason(card: Scorecard) -> str:
    """Return the reason of the line with the worst grade; "" if everything that is agreed is kept."""
    worst = min(card.lines, key=lambda line: [*GRADES].index(line.grade))
    return "" if worst.grade in ("kept", "not_agreed") else worst.reason


def card_address(card: Scorecard) -> str:
    """Return the address of the scorecard of one model."""
    return Place(names.handle(card.model.key.model)).address("scorecard")


def models_table(cards: Sequence[Scorecard]) -> Table:
    """Return a row for each model: its owner and the grade of each line."""
    columns = ("model", "version", "tier", "owner", "state", "since", *SUBJECT_WORDS)
    columns = (*columns, "incident_count", "loss_a_day", "loss_low", "loss_high", "currency")
    return Table(columns, [_model_row(card) for card in cards])


def _model_row(card: Scorecard) -> Sequence[object]:
    since, loss = None if card.verdict is None else card.verdict.since, card.loss
    return (
        *(card.model.key.model, card.model.key.version, int(card.tier) if card.tier else None, card.owner or None),
        *(card.state, None if since is None else iso_time(since)),
        *(card.grades[name].grade for name in SUBJECT_WORDS),
        len(card.incidents),
        *((None, None, None) if loss is None else (loss.amount, loss.low, loss.high)),
        card.model.currency or None,
    )


def lines_table(cards: Sequence[Scorecard]) -> Table:
    """Return a row for each line of each scorecard, with its reason."""
    rows = [(card.model.key.model, line.subject, line.grade, line.reason) for card in cards for line in card.lines]
    return Table(("model", "subject", "grade", "reason"), rows)


def _about(period: Period) -> dict[str, Any]:
    return {"period": period.name or None, "from": iso_time(period.start), "to": iso_time(period.end)}


def _periods(query_params: QueryParams) -> list[tuple[str, str, bool]]:
    """Return the suggested periods: words, address, and whether it is selected."""
    chosen = query_params.get("from", "") or (
        f"-{USUAL_DAYS}d" if not (query_params.get("quarter") or query_params.get("to")) else ""
    )
    parameters = [(name, query_params[name]) for name in ("tier", "team") if query_params.get(name)]
    return [
        (f"{days} days", "/scorecard?" + urlencode([("from", f"-{days}d"), *parameters]), chosen == f"-{days}d")
        for days in (30, 90, 365)
    ]
