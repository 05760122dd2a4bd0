"""The pages of the runbooks, which describe what to do per kind of alert. Their source is ``docs/runbooks``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.core.nearest_names import near
from driftline_processor.present.runbooks import ADDRESS, RUNBOOKS
from driftline_processor.present.wording import short
from driftline_processor.web.page import Page, Table
from driftline_processor.web.site import Site

FOLDER: Final = Path(__file__).parents[1] / "runbooks"
"""Copies of ``docs/runbooks``, written by ``scripts/generate_runbooks.py``."""


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes of the list of runbooks and of each runbook."""
    return [
        Guarded("/runbooks", site.shows(lambda _: list_page()), may="read", by_model=True),
        Guarded(
            "/runbooks/{name}", site.shows(lambda request: page(request.path_params["name"])), may="read", by_model=True
        ),
    ]


def list_page() -> Page:
    """Return the names of all runbooks."""
    rows = [(name, title, f"{ADDRESS}/{name}") for name, title in RUNBOOKS.items()]
    return Page("runbooks.html", {"runbooks": rows}, {"runbooks": Table(("name", "title", "address"), rows)})


def page(name: str) -> Page:
    """Return a runbook.

    Raises:
        HTTPException: 404 if there is no runbook of that name.
    """
    if name not in RUNBOOKS:
        raise HTTPException(404, f"there is no runbook '{short(name, 60)}'; {near(name[:60], [*RUNBOOKS])}")
    text = runbook_text(name)
    title, _, rest = text.removeprefix("# ").partition("\n")
    context = {"title": title, "name": name, "body": Markup(_html(rest))}
    return Page("runbook.html", context, {"runbook": Table(("name", "title", "text"), [(name, title, text)])})


@cache
def runbook_text(name: str) -> str:
    """Return a runbook as Markdown."""
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


@cache
def _html(text: str) -> str:
    return str(MarkdownIt("commonmark", {"html": False}).render(text))
