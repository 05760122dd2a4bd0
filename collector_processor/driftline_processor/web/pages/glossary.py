"""The glossary: the terms of all other pages with their meaning."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from driftline_processor.present.glossary import ADDRESS, WORDS
from driftline_processor.web.page import Page, Table
from driftline_processor.web.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """Return the route of the page."""
    return [Route("/glossary", site.shows(lambda _: page()))]


def page() -> Page:
    """Return the glossary."""
    rows = [(term, word.plain, f"{ADDRESS}#{word.anchor}") for word in WORDS for term in (word.term, *word.also)]
    return Page("glossary.html", {"words": WORDS}, {"words": Table(("word", "means", "address"), rows)})
