"""An evaluation as HTML for a notebook cell: the verdict first, then its sections.

It is one element with its own style sheet, without scripts, for light and dark mode; all text is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import blake2s
from importlib.util import find_spec
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from driftline_processor.core.evaluation import newest_window
from driftline_processor.evaluation.files.evaluate import EvaluationResult
from driftline_processor.present import numbers
from driftline_processor.present.sections import sections_of
from driftline_processor.present.sections.windows import windows
from driftline_processor.present.sentences import verdict as verdicts
from driftline_processor.present.sentences.window import window_facts
from driftline_processor.present.wording import keep_units_of_page, printable, short
from driftline_processor.web.charts.sparklines import cell_drawing

from .figures import columns_by_name

MOST_WINDOWS = 12
MOST_NOTES = 20

SURFACES = frozenset({"notebook"})

LIGHT = (
    "--ground: #fff; --ink: #17201d; --quiet: #5c6863; --edge: #dfe4e1; --same: #8496a8; --drift: #1b4f91; "
    "--drift-ink: #1b4f91; --was: #26302c; --bad: #951d12; --right: #00665c; --risk: #cf5d14;"
)
DARK = (
    "--ground: #181d1b; --ink: #e4ebe8; --quiet: #9aa8a2; --edge: #2e3a36; --same: #66788a; --drift: #9cc6f5; "
    "--drift-ink: #9cc6f5; --was: #e4ebe8; --bad: #ff8f73; --right: #63d3bd; --risk: #e87b35;"
)
"""Colours of the two themes: drift is blue and data grey; green, orange and red are states."""


def report_html(result: EvaluationResult, notes: Sequence[str] = ()) -> str:
    """Return an evaluation as one HTML element.

    Args:
        result: The evaluation of each window.
        notes: Sentences on how the rows were read.
    """
    evaluations, timezone = result.evaluations, result.timezone
    newest = newest_window(evaluations)
    sections = list(sections_of(newest, timezone, SURFACES))
    if len(evaluations) > 1:
        newest_windows = windows(evaluations[-MOST_WINDOWS:], timezone).on_surface(SURFACES)
        sections = [newest_windows, *sections] if newest_windows is not None else sections
    page = _template().render(
        id=_element_id(result),
        light=LIGHT,
        dark=DARK,
        verdict=result.verdict,
        model=short(result.key.model) or "model",
        facts=window_facts(newest, timezone),
        sections=sections,
        figure=next(iter(columns_by_name(newest)), "") if find_spec("plotly") else "",
        notes=notes[:MOST_NOTES],
        more_notes=max(0, len(notes) - MOST_NOTES),
    )
    return keep_units_of_page(page)


def _element_id(result: EvaluationResult) -> str:
    """Return an id that is unique in a notebook and constant for a result."""
    identity = (
        result.key,
        result.verdict,
        [(evaluation.window, evaluation.rows, evaluation.fraction) for evaluation in result.evaluations],
    )
    return f"driftline-{blake2s(repr(identity).encode(), digest_size=4).hexdigest()}"


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent, Path(__file__).parents[1] / "web" / "templates"]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals |= {"numbers": numbers, "verdicts": verdicts}
    environment.globals |= {"printable": printable, "drawn": cell_drawing, "place": None}
    environment.globals["define"] = lambda term, text="": text or term
    return environment.get_template("report.html")
