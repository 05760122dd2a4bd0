"""The glossary: the terms of all other pages with their meaning."""

from __future__ import annotations

from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.present.glossary import ADDRESS, WORDS
from driftline_processor.web.page import Page, Table
from driftline_processor.web.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """Return the route of the page."""
    return [Guarded("/glossary", site.shows(lambda _: page()), may="read", by_model=True)]


def page() -> Page:
    """Return the glossary."""
    rows = [(term, word.plain, f"{ADDRESS}#{word.anchor}") for word in WORDS for term in (word.term, *word.also)]
    return Page("glossary.html", {"words": WORDS}, {"words": Table(("word", "means", "address"), rows)})
