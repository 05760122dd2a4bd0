"""An Evaluation in the terminal: heading, sections, and several windows as a table.

By default it shows the first rows of each section; more rows and the statistics on request (:class:`Detail`).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from rich.console import Console, Group, RenderableType

from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.core.performance.mispredictions import Worst
from driftline_processor.present.numbers import many
from driftline_processor.present.sections import sections_of
from driftline_processor.present.sections.concept import concept as concept_section
from driftline_processor.present.sections.performance import worst_rows
from driftline_processor.present.sections.section import Section
from driftline_processor.present.sections.windows import windows
from driftline_processor.present.sentences.sample import sample_sentence
from driftline_processor.present.sentences.verdict import verdict_headline, verdict_lines
from driftline_processor.present.sentences.window import window_facts
from driftline_processor.present.wording import short

from .console import Readable, Text, terminal
from .sections import section_parts, section_views

VERDICT_STYLES: dict[str, str] = {
    "healthy": "green",
    "degraded": "red",
    "no_data": "red",
    "lagging": "yellow",
    "at_risk": "yellow",
    "unknown": "",
}
"""State of a verdict → its colour."""

MOST_WINDOWS = 10
"""Upper limit of windows in the table."""


class Detail(Struct, frozen=True):
    """The amount of output.

    Attributes:
        has_all_rows: Every row of every table, not only the first rows.
        explain: Also the statistics behind each statement.
    """

    has_all_rows: bool = False
    explain: bool = False

    @property
    def surfaces(self) -> frozenset[str]:
        """Surfaces of the sections; see :func:`driftline_processor.present.sections.section.is_shown`."""
        return frozenset({"terminal", *(["all"] if self.has_all_rows else []), *(["explain"] if self.explain else [])})


EVERYTHING = Detail(has_all_rows=True, explain=True)


def evaluation_view(
    evaluation: Evaluation,
    timezone: str = "UTC",
    concept: Section | None = None,
    detail: Detail = EVERYTHING,
) -> RenderableType:
    """Return one window: heading, performance, drift by importance, and explanations.

    ``concept``: concept drift over all windows.
    """
    parts: list[RenderableType] = [_heading(evaluation, timezone)]
    sections = [*sections_of(evaluation, timezone, detail.surfaces), *([] if concept is None else [concept])]
    parts += section_views(sections)
    return Readable(Group(*parts))


def verdict_view(verdict: Verdict) -> RenderableType:
    """Return a verdict: its headline, and lines of evidence, cause, action and confidence."""
    parts = [Text(verdict_headline(verdict), style=f"bold {VERDICT_STYLES[verdict.state]}")]
    for title, words in verdict_lines(verdict):
        parts.append(Text.assemble((f"{title}: ", "dim"), (words, "dim" if title == "Confidence" else "")))
    return Readable(Group(*parts))


def windows_view(
    evaluations: Sequence[Evaluation], timezone: str = "UTC", detail: Detail = EVERYTHING
) -> RenderableType:
    """Return several windows, a line each: rows, coverage, drift, PSI of the score, performance."""
    shown_windows = tuple(evaluations) if detail.has_all_rows else tuple(evaluations[-MOST_WINDOWS:])
    hidden = len(evaluations) - len(shown_windows)
    before = [Text(f"{many(hidden, 'earlier window')}: --all", style="dim")] if hidden else []
    section = windows(shown_windows, timezone).on_surface(detail.surfaces)
    return Readable(Group(*before, *([] if section is None else section_parts(section))))


def show(
    evaluations: Sequence[Evaluation],
    console: Console | None = None,
    concept: ConceptDrift | None = None,
    wrong: Sequence[Worst] = (),
    verdict: Verdict | None = None,
    detail: Detail = EVERYTHING,
    sample: tuple[int, int] | None = None,
) -> None:
    """Print evaluations: the verdict, several windows as a table, then the newest conclusive window.

    ``concept``: concept drift over all windows. ``wrong``: the worst rows of each window, if requested.
    ``verdict``: the verdict over all windows. ``detail``: the amount of output. ``sample``: number of rows that causes
    come from, and of all rows; None = all.
    """
    console = console or terminal()
    if verdict is not None:
        console.print(verdict_view(verdict))
        console.print()
    if len(evaluations) > 1:
        console.print(windows_view(evaluations, detail=detail))
        console.print()
    judged_indices = [index for index, evaluation in enumerate(evaluations) if evaluation.fraction is not None]
    shown = judged_indices[-1] if judged_indices else len(evaluations) - 1
    explained = concept_section(concept, evaluations=evaluations, verdict=verdict).on_surface(detail.surfaces)
    console.print(evaluation_view(evaluations[shown], concept=explained, detail=detail))
    if wrong and wrong[shown].rows:
        console.print(Readable(Group(*section_views([worst_rows(wrong[shown])]))))
    if sample is not None:
        console.print(Text(f"\n{sample_sentence(*sample)}", style="dim"))
    if not detail.explain:
        console.print(Text("\nTo show the statistics, use --explain", style="dim"))


def _heading(evaluation: Evaluation, timezone: str) -> Text:
    text = Text(short(evaluation.key.model) or "model", style="bold")
    text.append("".join(f" · {fact}" for fact in window_facts(evaluation, timezone)), style="not bold")
    return text
