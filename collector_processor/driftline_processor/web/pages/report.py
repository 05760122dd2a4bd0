"""A report of a model as one file: the sections of a window on paper, style inline, no script, no server needed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import unescape
from typing import Any, NamedTuple

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.core.fact import columns_of
from driftline_processor.present import glossary, states
from driftline_processor.present.links import NO_LINKS, Links
from driftline_processor.present.names import handle
from driftline_processor.present.numbers import many
from driftline_processor.present.sections import measured_window, sections_of
from driftline_processor.present.sections.concept import concept
from driftline_processor.present.sections.performance import performance
from driftline_processor.present.sections.section import Line, Listing, Section, Table
from driftline_processor.present.sections.versions import comparison
from driftline_processor.present.sections.windows import windows
from driftline_processor.present.sentences.window import window_facts
from driftline_processor.present.times import window_name
from driftline_processor.queries.feature_history import FeatureHistories
from driftline_processor.queries.incidents import Incident, IncidentLog
from driftline_processor.web.charts.curves import curve_charts_of
from driftline_processor.web.charts.distributions import distribution
from driftline_processor.web.charts.timeline_rows import telling_metric, timeline_of
from driftline_processor.web.inline_style import content_security_policy, style
from driftline_processor.web.page import render
from driftline_processor.web.parameters import read_flag
from driftline_processor.web.selection import Selection
from driftline_processor.web.site import Site

from .drift import heat_of
from .feature import picture_of
from .performance import headline_rows

SURFACES = frozenset({"notebook", "all"})
"""A report is the output of a notebook with all rows."""

MOST_PICTURES = 3
MOST_WINDOWS = 12
MOST_INCIDENTS = 5
MOST_HEATED = 15
MOST_MORE = 5
"""Rows that a table has in addition to those of a notebook; if there are more, they are at the end."""

_ADDRESS = re.compile(r' href="(/[^"]*)"')


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes of the report."""

    def show(request: Request) -> Response:
        selection, histories = site.selection(request), site.state.queries.features
        html = report(selection, site.clock(), histories=histories, log=site.incidents, links=site.links)
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": content_security_policy()}
        if read_flag(request, "download", False):
            headers["Content-Disposition"] = f'attachment; filename="{file_name(selection)}"'
        return HTMLResponse(html.encode("utf-8", "replace"), headers=headers)

    return [
        Guarded("/models/{name:path}/report", show, may="read"),
        Guarded(
            "/api/v1/models/{name:path}/report",
            show,
            may="read",
            parameters="version environment window at from to slice* download",
        ),
    ]


class Picture(NamedTuple):
    """A drawing below the verdict. ``address``: its page in a running processor, "" = none."""

    title: str
    note: str
    drawing: Any
    address: str = ""


def report(
    selection: Selection,
    now: int,
    *,
    histories: FeatureHistories | None = None,
    log: IncidentLog | None = None,
    links: Links = NO_LINKS,
    note: str = "",
) -> str:
    """Return the report of a model's selected window and range as one HTML document.

    Args:
        selection: The model, the range, and the selected window.
        now: Time of creation, unix nanoseconds.
        histories: Source of the windows of a feature; None = only the drawings of evaluations are available.
        log: Source of its incidents; None = without incidents.
        links: Addresses of the pages; without an address, the report has no links to them.
        note: Sentence about the rows.
    """
    chosen, shown, define = selection.chosen, selection.shown_windows, glossary.Definitions()
    verdict = selection.verdict()
    context: dict[str, Any] = {"chosen": chosen, "several": len(shown) > 1, "place": None, "heat": None}
    if chosen is not None:
        context |= {
            "facts_of": window_facts(chosen, selection.model.timezone),
            "pictures": list(_pictures(selection, chosen, verdict, histories))[:MOST_PICTURES],
            "sections": list(_sections(selection, chosen)),
            "incidents": _incidents(selection, log),
        }
    if chosen is not None and len(shown) > 1:
        metric = telling_metric(shown, "" if verdict is None else verdict.metric)
        reference = selection.reference.get(metric)
        context |= {
            "timeline": timeline_of(shown, chosen, metric, reference, selection.model, selection.versions),
            "metrics": [row for row in headline_rows(selection) if row.name != metric],
            "heat": heat_of(selection, chosen, MOST_HEATED, None),
        }
    document = render(
        "report.html",
        model=selection.model,
        selection=selection,
        verdict=verdict,
        shown=shown,
        define=define,
        style=style(),
        now=now,
        note=note,
        address=selection.place.address() if links.public_url else "",
        **context,
    )
    return _with_addresses(document, links)


def _pictures(
    selection: Selection, chosen: Evaluation, verdict: Verdict | None, histories: FeatureHistories | None
) -> Iterator[Picture]:
    """Yield what shows the verdict: the calibration, and the features of the cause; else the score."""
    for curve in curve_charts_of(chosen):
        if curve.name == "calibration":
            yield Picture(curve.title, "above the line: too low", curve.picture)
    causes = () if chosen.explanation is None else chosen.explanation.causes
    drifted = [column.name for column in states.rank(chosen.features.values()) if column.state == "drift"]
    names = [] if verdict is None else columns_of(verdict.cause)
    for name in dict.fromkeys((*names, *(name for cause in causes for name in cause.features), *drifted)):
        drawn = picture_of(selection, name, chosen, histories, linked=False)
        if drawn is not None:
            yield Picture(name, "over time" if drawn.over_time else "", drawn.over_time or drawn.drawing, drawn.address)
    output = chosen.score or chosen.predicted
    if not drifted and output is not None and (drawing := distribution(output)) is not None:
        yield Picture(output.words, "", drawing)


def _sections(selection: Selection, chosen: Evaluation) -> Iterator[Section]:
    """Yield the sections of the window, the causes first; performance is that of the newest mature window."""
    timezone, seen = selection.model.timezone, _until(selection.shown_windows, chosen)
    best = measured_window(seen, chosen)
    sections = {section.key: section for section in sections_of(chosen, timezone, SURFACES)}
    if best is not chosen and (before := performance(best).on_surface(SURFACES)) is not None:
        sections["performance"] = replace(before, note=f"{window_name(best.window, timezone)}, {before.note}")
    compared = (comparison(side, timezone) for side in selection.model.versions)
    drift = selection.model.concept if selection.model.outcomes else None
    errors = concept(drift, timezone, verdict=selection.model.verdict)
    first = [sections.pop(key) for key in ("why", "performance") if key in sections]
    more = [section.on_surface(SURFACES) for section in (errors, *compared)]
    if len(selection.shown_windows) > 1:
        more.append(windows(selection.shown_windows[-MOST_WINDOWS:][::-1], timezone).on_surface(("report",)))
    ordered = [*first, *sections.values(), *(section for section in more if section is not None)]
    split = [_without_details(section) for section in ordered]
    yield from (section for section, _ in split)
    yield from (details for _, details in split if details.parts)


def _until(evaluations: Sequence[Evaluation], chosen: Evaluation) -> list[Evaluation]:
    return [evaluation for evaluation in evaluations if evaluation.window.start <= chosen.window.start]


def _without_details(section: Section) -> tuple[Section, Section]:
    """Return a section without the rows that a notebook hides, unless they are few, and a section of these rows."""
    parts: list[Line | Listing | Table] = []
    details: list[Table] = []
    for part in section.parts:
        if isinstance(part, Table):
            more = tuple(row for row in part.rows if "all" in row.surfaces.split())
            if len(more) > MOST_MORE:
                words = f"{section.title}: {many(len(more), f'more {part.noun}')}"
                details.append(replace(part, rows=more, folded=0, folded_as=words))
                part = replace(part, rows=tuple(row for row in part.rows if row not in more))
            part = replace(part, folded=0)
        parts.append(part)
    return replace(section, parts=tuple(parts)), Section(f"more-{section.key}", "", tuple(details))


def _incidents(selection: Selection, log: IncidentLog | None) -> list[Incident]:
    """Return the incidents of the range that neither the verdict nor the features show, the open ones first."""
    if log is None:
        return []
    begin, end = selection.shown_windows[0].window.start, selection.shown_windows[-1].window.end
    incidents = [
        incident
        for incident in log.of([selection.model])
        if (incident.since or 0) < end and (incident.until is None or incident.until > begin)
        if incident.kind != "drift" and not incident.minor
        if incident.kind != "verdict" or incident.subject in ("no_data", "lagging")
    ]
    return incidents[:MOST_INCIDENTS]


def file_name(selection: Selection) -> str:
    """Return the name of the file in ASCII."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", handle(selection.model.key.model)).strip("-.") or "model"
    return f"driftline-{name[:80]}.html"


def _with_addresses(document: str, links: Links) -> str:
    """Make links lead to the term in the report, or to the processor if its address is known."""

    def lead(match: re.Match[str]) -> str:
        page, _, term = unescape(match[1]).partition("#")
        if page == glossary.ADDRESS:
            return f' href="#{term}"'
        return f' href="{links.public_url}{match[1]}"' if links.public_url else ""

    return _ADDRESS.sub(lead, document)
