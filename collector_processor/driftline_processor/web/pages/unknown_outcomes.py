"""Outcomes of models without predictions: mostly a typo in a model's name."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.core.outcomes.unknown import STRAYS
from driftline_processor.present.json_shapes import or_null, time_of
from driftline_processor.queries.predictions import KeptPredictions, UnknownOutcome
from driftline_processor.web.page import Page, Table, table_of
from driftline_processor.web.parameters import number
from driftline_processor.web.site import Site

ADDRESS = "/unknown-outcomes"
"""Address of the page."""

SHOWN = 50
"""Default number of outcomes."""

MOST = 1000
"""Upper limit of outcomes."""


def routes(site: Site) -> list[BaseRoute]:
    """Return the route of the page."""

    def show(request: Request) -> Page:
        limit = number(request, "limit", SHOWN, MOST)
        model = request.query_params.get("model", "")
        shown = page(site.state.queries.predictions, limit, model or None)
        # without the name, which anybody could invent
        site.note_rows(request, "the page of unknown outcomes", len(shown.tables["outcomes"].rows))
        return shown

    return [Guarded("/unknown-outcomes", site.shows(show), may="read_rows")]


def page(kept_predictions: KeptPredictions | None, limit: int = SHOWN, model: str | None = None) -> Page:
    """Return the page of outcomes that wait for models without predictions, the oldest first.

    Args:
        kept_predictions: Source of the outcomes; None = not available.
        limit: Upper limit of outcomes.
        model: Only outcomes of this name; None = all.
    """
    outcomes = [] if kept_predictions is None else kept_predictions.of_unknown_models(limit, model)
    elsewhere = sum(not outcome.suggestion for outcome in outcomes) >= STRAYS
    # not as `model`: to the frame of a page, this is a model with its windows
    context = {"found": outcomes, "limit": limit, "unknown": model, "elsewhere": elsewhere}
    return Page("unknown_outcomes.html", context, {"outcomes": _table(outcomes)})


def _table(unknown_outcomes: Sequence[UnknownOutcome]) -> Table:
    return table_of(
        unknown_outcomes,
        "model",
        or_null("suggestion"),
        "id actual item value environment retracted",
        time_of("received"),
    )
