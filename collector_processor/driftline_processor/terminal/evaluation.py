"""Show an Evaluation in the terminal: heading, table of targets, table of windows, remarks and one sentence.

The tables choose their columns by the width there is, their characters by what the terminal can show. What is below the
table of targets, and in which order, is in :mod:`.sections`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.drift.incident import targets
from driftline_processor.core.drift.method_choice import SHOWN
from driftline_processor.core.evaluation import Evaluation, TargetDrift, Verdict
from driftline_processor.core.outcomes.review import advice
from driftline_processor.core.performance.mispredictions import Worst
from driftline_processor.core.wording import printable
from driftline_processor.present.concept import error_levels
from driftline_processor.present.concept import sentence as concept_sentence
from driftline_processor.present.lasting import lasting_sentences, what_lacks
from driftline_processor.present.numbers import count, many, number, p_value, percent, shares
from driftline_processor.present.outcomes import lateness
from driftline_processor.present.sentences import drift_remarks, sentence, target_name
from driftline_processor.present.states import compared, drifted, rank, state_word
from driftline_processor.present.times import moment, window_label, window_name
from driftline_processor.present.titles import HEADLINES, METHOD_SYMBOLS, method_value, metric_title
from driftline_processor.present.verdicts import verdict_next, verdict_sentence

from .console import LONGEST_NAME, Readable, change_style, empty, fewer_cells, histogram, state_style, terminal
from .sections import SECTIONS, mispredictions

VERDICT_STYLES: dict[str, str] = {
    "right": "green",
    "wrong": "red",
    "silent": "red",
    "behind": "yellow",
    "at_risk": "yellow",
    "unknown": "",
}
"""State of a verdict → its colour."""

_NUMBERS = ("test", "p", "PSI", "JS")


@dataclass(frozen=True, slots=True)
class DriftTable:
    """Score, class and features with both distributions drawn; the least wanted columns go when it is narrow."""

    evaluation: Evaluation

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        evaluation = self.evaluation
        predictions = [target for target in (evaluation.score, evaluation.predicted) if target is not None]
        targets = [*predictions, *rank(evaluation.features.values())]
        beside = _chosen(targets)
        rows = [_shown_cells(target, beside) for target in targets]
        names = [Text(target_name(target), no_wrap=True, overflow="ellipsis") for target in targets]
        left = options.max_width - min(LONGEST_NAME, max((name.cell_len for name in names), default=0))
        wanted = {key: 2 + max(len(key), *(row[key].cell_len for row in rows)) for key in (rows[0] if rows else {})}
        if not any(row["missing"].plain for row in rows):
            wanted.pop("missing", None)
        for spare in ("JS", "p", "PSI", "missing", "was", "→ is", *reversed(beside.values()), "test", "size"):
            if sum(wanted.values()) > left:
                wanted.pop(spare, None)
        table = empty()
        table.add_column("", max_width=LONGEST_NAME)
        for key in wanted:
            table.add_column(key, justify="right" if key in (*_NUMBERS, *beside.values()) else "left", no_wrap=True)
        for at, (name, row) in enumerate(zip(names, rows, strict=True)):
            if at == len(predictions) and at:
                table.add_row()
            table.add_row(name, *(row[key] for key in wanted))
        yield table


def _chosen(targets: Sequence[TargetDrift]) -> dict[str, str]:
    """Return the methods that are shown because somebody chose them: name → heading."""
    names = (name for target in targets for name in target.methods if name not in (target.decided_by, *SHOWN))
    return {name: METHOD_SYMBOLS[name] for name in sorted(set(names), key=list(METHOD_SYMBOLS).index)}


def _shown_cells(target: TargetDrift, beside: Mapping[str, str]) -> dict[str, Text]:
    """Return what a target's row shows, in the order of the columns; ``beside``: methods with a column of their own."""
    style = state_style(target)
    drifts = target.state == "drift"
    decisive = target.methods.get(target.decided_by)
    was, now = _drawn(target)
    return {
        "was": Text(was, style="dim"),
        "→ is": Text(now, style=style if drifts else ""),
        "state": Text(state_word(target.state, target.lacking), style=style),
        "size": Text(target.size if drifts else "", style=style),
        "test": Text(method_value(target, target.decided_by), style=style if drifts else ""),
        "p": Text(p_value(decisive.p_value if decisive is not None else None), style="dim"),
        "PSI": Text(method_value(target, "psi").removeprefix("PSI "), style="dim"),
        "JS": Text(method_value(target, "js").removeprefix("JS "), style="dim"),
        **{title: _beside(target, name, title) for name, title in beside.items()},
        "missing": Text(_missing(target), style=_missing_style(target)),
    }


def _beside(target: TargetDrift, name: str, title: str) -> Text:
    return Text("" if name == target.decided_by else method_value(target, name).removeprefix(f"{title} "), style="dim")


def _drawn(target: TargetDrift) -> tuple[str, str]:
    """Both distributions on one scale."""
    if target.was is None or target.now is None:
        return "", ""
    was, now = fewer_cells(target.was), fewer_cells(target.now)
    highest = float(max(was.max(initial=0.0), now.max(initial=0.0)))
    return histogram(was, highest), histogram(now, highest)


def _missing(target: TargetDrift) -> str:
    was, now = target.missing_was or 0.0, target.missing_now or 0.0
    return shares(was, now) if was or now else ""


def _missing_style(target: TargetDrift) -> str:
    return "yellow" if abs((target.missing_now or 0.0) - (target.missing_was or 0.0)) >= 0.01 else "dim"


@dataclass(frozen=True, slots=True)
class WindowsTable:
    """A line per window; where it is narrow, with one metric."""

    evaluations: tuple[Evaluation, ...]
    timezone: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        known = {name for evaluation in self.evaluations for name in evaluation.realized}
        metrics = [name for name in HEADLINES if name in known]
        metrics = metrics[: 3 if options.max_width >= 110 else 1]
        table = empty()
        table.add_column("window", no_wrap=True)
        for heading in ("rows", "outcomes", "drifted"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("most", max_width=LONGEST_NAME, no_wrap=True, overflow="ellipsis")
        table.add_column("score PSI", justify="right", no_wrap=True)
        for name in metrics:
            table.add_column(metric_title(name), justify="right", no_wrap=True)
        for evaluation in self.evaluations:
            table.add_row(
                *_window_line(evaluation, self.timezone), *(_window_value(evaluation, name) for name in metrics)
            )
        yield table


def _window_line(evaluation: Evaluation, timezone: str) -> list[Text]:
    first = next(iter(rank(evaluation.features.values())), None)
    most = first if first is not None and first.state in ("drift", "usual") else None
    score = evaluation.score
    return [
        Text(window_label(evaluation.window, timezone) + ("" if evaluation.closed else " (open)")),
        Text(count(evaluation.rows)),
        Text(percent(evaluation.coverage)),
        Text(_drifted_of(evaluation), style="green" if first is None else state_style(first)),
        Text("") if most is None else Text(f"{printable(most.name)} {most.size}", style=state_style(most)),
        Text(method_value(score, "psi").removeprefix("PSI "), style=state_style(score)) if score else Text("–"),
    ]


def _drifted_of(evaluation: Evaluation) -> str:
    """Say how many features drifted of those that could be compared, and how many are far and usual."""
    targets = list(evaluation.features.values())
    of, usual = compared(evaluation), sum(target.state == "usual" for target in targets)
    if not of:
        return state_word(rank(targets)[0].state, rank(targets)[0].lacking) if targets else ""
    return f"{drifted(evaluation)} of {of}" + (f", {usual} usual" if usual else "")


def _window_value(evaluation: Evaluation, name: str) -> Text:
    metric, reference = evaluation.realized.get(name), evaluation.reference.get(name)
    value = None if metric is None else metric.value
    return Text(number(value), style=change_style(name, None if reference is None else reference.value, value))


def evaluation_view(
    evaluation: Evaluation, timezone: str = "UTC", concept: RenderableType | None = None
) -> RenderableType:
    """Show one window: heading, drift ranked by what matters, performance, and one sentence.

    ``concept``: what the errors of all windows say; the sentence is the last word.
    """
    parts: list[RenderableType] = [_heading(evaluation, timezone), Text(), DriftTable(evaluation)]
    for section in SECTIONS:
        for shown in section(evaluation):
            parts += [Text(), shown]
    parts += [Text(line, style="dim") for line in _remarks(evaluation, timezone)]
    parts += [] if concept is None else [Text(), concept]
    return Readable(Group(*parts, Text(), Text(sentence(evaluation), style="bold")))


def verdict_view(verdict: Verdict) -> RenderableType:
    """Show a verdict: its sentence, how sure it is, and what to do."""
    parts = [Text(verdict_sentence(verdict), style=f"bold {VERDICT_STYLES[verdict.state]}")]
    parts += [Text(verdict_next(verdict)), Text(printable(verdict.sure), style="dim")]
    return Readable(Group(*parts))


def windows_view(evaluations: Sequence[Evaluation], timezone: str = "UTC") -> RenderableType:
    """Show several windows, a line each: rows, coverage, what drifted, the score's PSI, performance."""
    return Readable(WindowsTable(tuple(evaluations), timezone))


def show(
    evaluations: Sequence[Evaluation],
    console: Console | None = None,
    concept: ConceptDrift | None = None,
    wrong: Sequence[Worst] = (),
    verdict: Verdict | None = None,
) -> None:
    """Print evaluations: the verdict, several windows as a table, then the newest that can be judged in full.

    ``concept``: what the errors of all of them say. ``wrong``: the worst rows of each, where somebody asked.
    ``verdict``: whether the model is right, by all of them.
    """
    console = console or terminal()
    if verdict is not None:
        console.print(verdict_view(verdict))
        console.print()
    if len(evaluations) > 1:
        console.print(windows_view(evaluations))
        console.print()
    judged = [at for at, evaluation in enumerate(evaluations) if evaluation.share is not None]
    shown = judged[-1] if judged else len(evaluations) - 1
    told = None
    if concept is not None and (concept.outcomes or concept.unusable):
        style = "bold red" if concept.state == "drift" else ""
        levels = error_levels(evaluations, concept.measure)
        told = Text(concept_sentence(concept, moment, levels) + ".", style=style)
    console.print(evaluation_view(evaluations[shown], concept=told))
    if wrong and wrong[shown].rows:
        console.print(Readable(Group(Text(), mispredictions(wrong[shown]))))


def _heading(evaluation: Evaluation, timezone: str) -> Text:
    key = evaluation.key
    text = Text(printable(key.model or "model"), style="bold")
    facts = [key.version and f"version {printable(key.version)}", key.environment and printable(key.environment)]
    facts += [window_name(evaluation.window, timezone), many(evaluation.rows)]
    facts += [f"outcomes for {percent(evaluation.coverage)}" if evaluation.outcome_rows else ""]
    facts += ["" if evaluation.closed else "open"]
    text.append("".join(f" · {fact}" for fact in facts if fact), style="not bold")
    return text


def _remarks(evaluation: Evaluation, timezone: str) -> list[str]:
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
            "importance unknown: all features count the same"
            if share is None
            else f"weighted by importance, {percent(share)} of the features drifted"
        )
    for name, since in evaluation.incident.items():
        remarks.append(f"incident: {printable(name.removeprefix('feature:'))}, since {moment(since, timezone)}")
    remarks += map(printable, lasting_sentences(evaluation, lambda time: moment(time, timezone)))
    remarks += filter(None, [what_lacks(evaluation)])
    remarks += drift_remarks(target for _, target in targets(evaluation))
    return ["", *remarks] if remarks else []
