"""A report of a model's pages as one file: style and pictures inline, no script, no address that needs a server."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from html import unescape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from msgspec.structs import replace

from driftline_processor.present import glossary, states
from driftline_processor.present.links import NO_LINKS, Links
from driftline_processor.present.names import handle
from driftline_processor.present.wording import iso_time

from .page import Page, render
from .place import TABS, feature_page
from .selection import Selection

MakePage = Callable[[Selection, int], Page]
"""Creates a page of a model, at a time in unix nanoseconds."""

MakeFeaturePage = Callable[[Selection, str, int], Page]
"""Creates the page of a feature, by the handle of its name."""

_ADDRESS = re.compile(r' href="(/[^"]*)"')
_FIRST_HEADING = re.compile(r"\s*<section[^>]*>\s*<h2[^>]*>(.*?)</h2>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_LEFT_OUT = re.compile(r"<(script|form|template)\b.*?</\1>", re.DOTALL)


class Chapter(NamedTuple):
    """One page of the model within the report. ``anchor``: the id of its element."""

    anchor: str
    title: str
    body: str

    @property
    def headed(self) -> bool:
        """Whether the page begins with a heading equal to its title."""
        heading = _FIRST_HEADING.match(self.body)
        heading_text = "" if heading is None else " ".join(unescape(_TAG.sub("", heading[1])).split())
        return heading_text == self.title or self.anchor.startswith(_anchor("features/"))


def report(
    selection: Selection,
    pages: Mapping[str, MakePage],
    feature: MakeFeaturePage,
    now: int,
    links: Links = NO_LINKS,
) -> str:
    """Return the pages of a model as one HTML document.

    Args:
        selection: The model, the range, and the selected window.
        pages: End of the address → creates that page (:data:`~.place.TABS`).
        feature: Creates the page of a feature.
        now: Time of creation, unix nanoseconds.
        links: Addresses of the pages; without an address, the report has no links to them.
    """
    selection = replace(selection, in_report=True)
    define, chapters = glossary.Definitions(), []
    for end, make in pages.items():
        chapters.append(Chapter(_anchor(end), TABS[end], _body(make(selection, now), define)))
        if end == "drift":
            chapters += [
                Chapter(_anchor(feature_page(name)), name, _body(feature(selection, handle(name), now), define))
                for name in drifted(selection)
            ]
    document = render(
        "report.html",
        model=selection.model,
        selection=selection,
        verdict=selection.verdict(),
        chapters=chapters,
        define=define,
        style=style(),
        now=now,
    )
    anchors = {chapter.anchor for chapter in chapters} | {word.anchor for word in define.used}
    return _with_addresses(_LEFT_OUT.sub("", document), anchors, selection, links)


def drifted(selection: Selection) -> Sequence[str]:
    """Return the features that get a chapter: those in drift in the selected window, the largest drift first."""
    columns = () if selection.chosen is None else selection.chosen.features.values()
    # 3: features with their own chapter, the largest drift first; the table has all
    return [column.name for column in states.rank(columns) if column.state == "drift"][:3]


@lru_cache(maxsize=1)
def style() -> str:
    """Return the style sheet."""
    return (Path(__file__).parent / "static" / "driftline.css").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def content_security_policy() -> str:
    """Return the content security policy of a report: only its own style sheet."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


def file_name(selection: Selection) -> str:
    """Return the name of the file in ASCII."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", handle(selection.model.key.model)).strip("-.") or "model"
    return f"driftline-{name[:80]}.html"


def _anchor(end: str) -> str:
    """Return the id of a chapter by the end of its page's address."""
    return f"page/{end or 'overview'}"


def _body(page: Page, define: glossary.Definitions) -> str:
    return render(page.template, "report", formats=False, address=lambda **_: "", define=define, **page.context)


def _with_addresses(document: str, anchors: set[str], selection: Selection, links: Links) -> str:
    """Make links lead to the chapter or term in the report, else to the processor if its address is known."""

    def lead(match: re.Match[str]) -> str:
        address = urlsplit(unescape(match[1]))
        if address.path == glossary.ADDRESS and address.fragment in anchors:
            return f' href="#{address.fragment}"'
        model, _, end = address.path.removeprefix("/models/").partition("/")
        chapter = _anchor(end)
        if chapter in anchors and not address.fragment and shows(selection, unquote(model), address.query):
            return f' href="#{chapter}"'
        return f' href="{links.public_url}{match[1]}"' if links.public_url else ""

    return _ADDRESS.sub(lead, document).replace(' href=""', "")  # a parameter that a report does not have


def shows(selection: Selection, model: str, query: str) -> bool:
    """Return whether a report of a selection contains the page of an address: its version, window, range and slice."""
    place, key, chosen = selection.place, selection.model.key, selection.chosen
    allowed_by_name: dict[str, set[str | None]] = {  # None: neither the address nor the report has the parameter
        "version": {place.version, handle(key.version)},
        "environment": {place.environment, handle(key.environment)},
        "window": {place.window or None, selection.window},
        "at": {place.at or None} | ({iso_time(chosen.window.start)} if chosen is not None else set()),
        "from": {place.since or None},
        "to": {place.until or None},
    }
    parameters = parse_qs(query, keep_blank_values=True)
    slices = tuple(parameters.pop("slice", ()))
    if model != place.model or slices != place.slices or not parameters.keys() <= allowed_by_name.keys():
        return False
    return all(
        (parameters[name][0] if name in parameters else None) in values for name, values in allowed_by_name.items()
    )
