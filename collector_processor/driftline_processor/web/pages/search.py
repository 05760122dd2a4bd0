"""The search over all models: models, features, metrics, ids of predictions, and incidents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, Literal, NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded, principal_of
from driftline_processor.core.evaluation import newest_window
from driftline_processor.present import names
from driftline_processor.present.metrics import metric_title
from driftline_processor.present.times import since_words
from driftline_processor.queries.incidents import IncidentLog
from driftline_processor.queries.model_view import ModelView
from driftline_processor.queries.predictions import KeptPredictions
from driftline_processor.web.page import Page, table_of
from driftline_processor.web.place import anchor, feature_page, place_of
from driftline_processor.web.site import Site

from .incidents import address as address_of_incident

HitKind = Literal["model", "feature", "metric", "prediction", "incident"]

TITLES: Final[dict[HitKind, str]] = {
    "model": "Models",
    "prediction": "Predictions",
    "feature": "Features",
    "metric": "Metrics",
    "incident": "Incidents",
}
"""Kind of a hit → the heading of its list, in the order of the page."""

SHOWN: Final = 20
"""Hits per kind; a longer search text finds fewer."""


class Hit(NamedTuple):
    """Something that a search found.

    Attributes:
        kind: What it is.
        name: Its name, or the incident in words.
        note: The model that it belongs to, or the team.
        address: The page that shows it.
    """

    kind: HitKind
    name: str
    note: str
    address: str


def routes(site: Site) -> list[BaseRoute]:
    """Return the route of the page. A search with a single hit, or for the whole name of a model, leads to it."""

    def show(request: Request) -> Response:
        query = request.query_params.get("q", "").strip()[:400]
        predictions = site.state.queries.predictions if principal_of(request.scope).may("read_rows") else None
        found = find(query, site.models, site.incidents, predictions)
        hits = [hit for kind in TITLES for hit in islice((one for one in found if one.kind == kind), SHOWN)]
        named = [hit for hit in hits if hit.kind == "model" and hit.name.lower() == query.lower()]
        for only in (hits, named):
            if len(only) == 1 and "format" not in request.query_params:
                return RedirectResponse(only[0].address, 303)
        return site.answer(request, page(query, hits))

    return [Guarded("/search", show, may="read")]


def page(query: str, hits: Sequence[Hit]) -> Page:
    """Return the page of the hits, by kind."""
    groups = [(title, [hit for hit in hits if hit.kind == kind]) for kind, title in TITLES.items()]
    context = {"query": query, "groups": [group for group in groups if group[1]], "most": SHOWN}
    return Page("search.html", context, {"hits": table_of(hits, "kind name note address")}, {"query": query})


def find(query: str, models: Sequence[ModelView], log: IncidentLog, predictions: KeptPredictions | None) -> list[Hit]:
    """Return everything whose name contains all words of a text, and the predictions whose id it is.

    Args:
        query: The text; "" finds nothing.
        models: All versions and environments of all models, the busiest first.
        log: Source of the incidents.
        predictions: Source of the predictions; None = not available.
    """
    words = query.lower().split()
    if not words:
        return []
    hits = {(hit.kind, hit.address): hit for hit in _named(words, models)}
    for name in predictions.models_of(query) if predictions is not None else ():
        model = next((one for one in models if one.key.model == name), None)
        if model is not None:
            there = place_of(model).address("predictions", version=None, environment=None, id=query)
            hits["prediction", there] = Hit("prediction", query, name, there)
    for incident in log.of(models):
        if _holds(f"{incident.key.model} {incident.sentence}", words):
            since = since_words(incident.since, incident.timezone, days=True)
            there = address_of_incident(incident)
            hits["incident", there] = Hit("incident", incident.sentence, f"{incident.key.model}{since}", there)
    return [*hits.values()]


def _named(words: Sequence[str], models: Sequence[ModelView]) -> Iterator[Hit]:
    """Yield models, features and metrics by their names."""
    for model in models:
        key, place = model.key, place_of(model)
        if _holds(" ".join((key.model, key.version, key.environment, model.team)), words):
            yield Hit("model", key.model, model.team, place.address(version=None, environment=None))
        windows = [newest_window(of_length) for of_length in model.windows.values() if of_length]
        for name in dict.fromkeys(name for window in windows for name in window.drift.places):
            if _holds(name, words):
                yield Hit("feature", name, names.model_name(key), place.address(feature_page(name)))
        for metric in dict.fromkeys(metric for window in windows for metric in window.realized):
            if _holds(f"{metric} {metric_title(metric)}", words):
                there = place.address("performance", anchor("metric", metric))
                yield Hit("metric", metric_title(metric), names.model_name(key), there)


def _holds(text: str, words: Sequence[str]) -> bool:
    text = text.lower()
    return all(word in text for word in words)
