"""An Evaluation in the terminal: what `driftline evaluate`, `driftline top` and the demo show.

The tables choose their columns by the width there is, their characters by what the terminal can show.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, tzinfo

from rich.console import Console, Group, RenderableType
from rich.text import Text

from driftline_processor.core.concept.verdict import Concept
from driftline_processor.core.concept.words import sentence as concept_sentence
from driftline_processor.core.evaluation import Evaluation, Window
from driftline_processor.core.incident import targets
from driftline_processor.core.labels.delay_words import lateness
from driftline_processor.core.performance.reviewed import advice
from driftline_processor.core.performance.wrong import Worst

from .drift_table import DriftTable
from .errors import rows
from .estimates import about, estimates
from .sections import by_slice, causes, expectations, findings, joint, mispredictions, objectives, performance
from .slice_sections import by_age, fairness, performance_by_slice, weak_slices
from .terminal import Readable, terminal
from .windows_table import WindowsTable
from .words import minute, percent, printable, resemblances, sentence, window_text


def evaluation_view(evaluation: Evaluation, zone: tzinfo = UTC) -> RenderableType:
    """Show one window: heading, drift ranked by what matters, performance, and one sentence."""
    parts: list[RenderableType] = [_heading(evaluation, zone), Text(), DriftTable(evaluation)]
    if evaluation.slices:
        parts += [Text(), by_slice(evaluation)]
    if evaluation.joint:
        parts += [Text(), joint(evaluation)]
    if evaluation.explanation is not None and evaluation.explanation.causes:
        parts += [Text(), causes(evaluation.explanation)]
    if evaluation.findings:
        parts += [Text(), findings(evaluation)]
    if evaluation.expected:
        parts += [Text(), expectations(evaluation)]
    if evaluation.realized:
        parts += [Text(), performance(evaluation)]
    if evaluation.performance_slices:
        parts += [Text(), performance_by_slice(evaluation)]
    if evaluation.weak is not None and evaluation.weak.slices:
        parts += [Text(), weak_slices(evaluation.weak)]
    for found in evaluation.fairness:
        parts += [Text(), fairness(found)]
    if len(evaluation.ages) > 1:
        parts += [Text(), by_age(evaluation)]
        if evaluation.fast_labels is not None:
            parts.append(Text(evaluation.fast_labels.sentence, style="dim"))
    if evaluation.estimated:
        parts += [Text(), estimates(evaluation), Text(f"estimated: {about(evaluation)}", style="dim")]
    if evaluation.objectives:
        parts += [Text(), objectives(evaluation)]
    parts += [Text(line, style="dim") for line in _remarks(evaluation, zone)]
    return Readable(Group(*parts, Text(), Text(sentence(evaluation), style="bold")))


def windows_view(evaluations: Sequence[Evaluation], zone: tzinfo = UTC) -> RenderableType:
    """Show several windows, a line each: rows, coverage, what drifted, the score's PSI, performance."""
    return Readable(WindowsTable(tuple(evaluations), zone))


def show(
    evaluations: Sequence[Evaluation],
    console: Console | None = None,
    concept: Concept | None = None,
    wrong: Sequence[Worst] = (),
) -> None:
    """Print evaluations: several windows as a table of them, then the newest that can be judged in full.

    ``concept``: what the errors of all of them say. ``wrong``: the worst rows of each, where somebody asked.
    """
    console = console or terminal()
    if len(evaluations) > 1:
        console.print(windows_view(evaluations))
        console.print()
    judged = [at for at, evaluation in enumerate(evaluations) if evaluation.share is not None]
    shown = judged[-1] if judged else len(evaluations) - 1
    console.print(evaluation_view(evaluations[shown]))
    if wrong and wrong[shown].rows:
        console.print(Readable(Group(Text(), mispredictions(wrong[shown]))))
    if concept is not None and (concept.outcomes or concept.unusable):
        style = "bold red" if concept.state == "drift" else ""
        console.print(Readable(Text(concept_sentence(concept, minute) + ".", style=style)))


def _heading(evaluation: Evaluation, zone: tzinfo) -> Text:
    key = evaluation.key
    text = Text(printable(key.model or "model"), style="bold")
    facts = [key.version and f"version {printable(key.version)}", key.environment and printable(key.environment)]
    facts += [window_text(evaluation.window, zone), rows(evaluation.rows)]
    facts += [f"outcomes for {percent(evaluation.coverage)}" if evaluation.outcome_rows else ""]
    facts += ["" if evaluation.closed else "open"]
    text.append("".join(f" · {fact}" for fact in facts if fact), style="not bold")
    return text


def _remarks(evaluation: Evaluation, zone: tzinfo) -> list[str]:
    remarks = []
    if evaluation.immature:
        remarks.append(f"its performance is not final: {evaluation.immature}")
    if evaluation.unreviewed:
        remarks.append(printable(advice(evaluation.unreviewed)).rstrip("."))
    if late := lateness(evaluation):
        remarks.append(f"{late[0].lower()}{late[1:]}".rstrip("."))
    if evaluation.baseline_version not in (None, evaluation.key.version):
        version = printable(evaluation.baseline_version or "")
        remarks.append(f"compared with the baseline of {f'version {version}' if version else 'any version'}")
    if evaluation.compared:
        remarks.append(f"compared with {printable(evaluation.compared)}")
    for names, words in (
        (evaluation.missing_features, "in the baseline, missing here"),
        (evaluation.new_features, "here, unknown to the baseline"),
    ):
        if names:
            listed = ", ".join(printable(name) for name in names[:8])
            more = f" and {len(names) - 8} more" if len(names) > 8 else ""
            remarks.append(f"{words}: {listed}{more}")
    if any(target.state == "drift" for target in evaluation.features.values()):
        share = evaluation.weighted_share
        remarks.append(
            "importance unknown: every feature counts alike"
            if share is None
            else f"by importance {percent(share)} drifted"
        )
    for name, since in evaluation.incident.items():
        began = window_text(Window("", since, since + 10**9), zone)
        remarks.append(f"incident: {printable(name.removeprefix('feature:'))}, since {began}")
    remarks += resemblances(target for _, target in targets(evaluation))
    return ["", *remarks] if remarks else []
