"""Show an Evaluation in the terminal: heading, performance, table of columns, table of windows, and remarks.

It shows what somebody needs who asks whether the model is healthy: ten features, and the statistics on demand
(:class:`.sections.Detail`). The tables choose their columns by the width there is, their characters by what the
terminal can show. What is above and below the table of columns, and in which order, is in :mod:`.sections`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult

from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.dates import date_words
from driftline_processor.core.drift.incident import columns
from driftline_processor.core.drift.method_choice import SHOWN
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, Verdict
from driftline_processor.core.outcomes.review import advice
from driftline_processor.core.performance.mispredictions import Worst
from driftline_processor.core.wording import printable
from driftline_processor.present.concept import error_levels
from driftline_processor.present.concept import sentence as concept_sentence
from driftline_processor.present.lasting import lasting_sentences, what_lacks
from driftline_processor.present.numbers import count, many, number, p_value, percent, shares
from driftline_processor.present.outcomes import lateness
from driftline_processor.present.sentences.window import column_name, drift_remarks, sentence
from driftline_processor.present.states import compared, drifted, rank, state_word
from driftline_processor.present.times import window_label, window_name
from driftline_processor.present.titles import HEADLINES, METHOD_SYMBOLS, method_value, metric_title
from driftline_processor.present.verdicts import verdict_certainty, verdict_next, verdict_sentence

from .console import LONGEST_NAME, Readable, Text, change_style, empty, fewer_cells, histogram, state_style, terminal
from .sections import AFTER_DRIFT, BEFORE_DRIFT, EVERYTHING, MOST_FEATURES, Detail, mispredictions, more

VERDICT_STYLES: dict[str, str] = {
    "healthy": "green",
    "degraded": "red",
    "no_data": "red",
    "lagging": "yellow",
    "at_risk": "yellow",
    "unknown": "",
}
"""State of a verdict → its colour."""

_NUMBERS = ("test", "p", "PSI", "JS")

MOST_WINDOWS = 10
"""Windows that have a line each."""


class DriftTable(Struct, frozen=True):
    """Score, class and features with both distributions drawn; the least wanted columns go when it is narrow."""

    evaluation: Evaluation
    detail: Detail = EVERYTHING

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        evaluation = self.evaluation
        predictions = [column for column in (evaluation.score, evaluation.predicted) if column is not None]
        features = _rank_by_weight(evaluation)
        listed = self.detail.first(features, MOST_FEATURES)
        columns = [*predictions, *listed]
        chosen_methods = _chosen(columns)
        rows = [_shown_cells(column, chosen_methods) for column in columns]
        names = [Text(column_name(column), no_wrap=True, overflow="ellipsis") for column in columns]
        left = options.max_width - min(LONGEST_NAME, max((name.cell_len for name in names), default=0))
        widths = {key: 2 + max(len(key), *(row[key].cell_len for row in rows)) for key in (rows[0] if rows else {})}
        if not any(row["missing"].plain for row in rows):
            widths.pop("missing", None)
        if not self.detail.explain:
            for statistic in ("p", "PSI", "JS"):
                widths.pop(statistic, None)
        for spare in ("JS", "p", "PSI", "missing", "was", "→ is", *reversed(chosen_methods.values()), "test", "size"):
            if sum(widths.values()) > left:
                widths.pop(spare, None)
        table = empty()
        table.add_column("", max_width=LONGEST_NAME)
        for key in widths:
            table.add_column(
                key, justify="right" if key in (*_NUMBERS, *chosen_methods.values()) else "left", no_wrap=True
            )
        for index, (name, row) in enumerate(zip(names, rows, strict=True)):
            if index == len(predictions) and index:
                table.add_row()
            table.add_row(name, *(row[key] for key in widths))
        if len(features) > len(listed):
            table.add_row(more(len(features) - len(listed)))
        yield table
        yield from (Text(line, style="dim") for line in _legend(columns))


def _rank_by_weight(evaluation: Evaluation) -> list[ColumnDrift]:
    """Sort features by state, then by what they cost where their importance is known, then by how far they moved."""
    causes = () if evaluation.explanation is None else evaluation.explanation.causes
    weights = {cause.features[0]: cause.weight or 0.0 for cause in causes if len(cause.features) == 1}
    ranked = rank(evaluation.features.values())
    places = {state: place for place, state in enumerate(dict.fromkeys(column.state for column in ranked))}
    return sorted(ranked, key=lambda column: (places[column.state], -weights.get(column.name, 0.0)))


def _legend(columns: Sequence[ColumnDrift]) -> list[str]:
    """Say what a state means that its words do not say alone."""
    states, lines = {column.state for column in columns}, []
    if "within_normal_variation" in states:
        moved = "it shifted, and the baseline's own days and weeks differ as much"
        lines.append(f"{state_word('within_normal_variation')}: {moved}")
    if "inconclusive" in states:
        reason = sorted({column.reason for column in columns if column.reason})
        words = " and ".join(state_word("inconclusive", lack) for lack in reason) or state_word("inconclusive")
        lines.append(f"{words}: cannot be judged, which does not mean fine")
    return lines


def _chosen(columns: Sequence[ColumnDrift]) -> dict[str, str]:
    """Return the methods that are shown because somebody chose them: name → heading."""
    names = (name for column in columns for name in column.methods if name not in (column.decided_by, *SHOWN))
    return {name: METHOD_SYMBOLS[name] for name in sorted(set(names), key=list(METHOD_SYMBOLS).index)}


def _shown_cells(column: ColumnDrift, beside: Mapping[str, str]) -> dict[str, Text]:
    """Return what a column's row shows, in the order of the columns; ``beside``: methods with a column of their own."""
    style = state_style(column)
    drifts = column.state == "drift"
    decisive = column.methods.get(column.decided_by)
    was, now = _drawn(column)
    return {
        "was": Text(was, style="dim"),
        "→ is": Text(now, style=style if drifts else ""),
        "state": Text(state_word(column.state, column.reason), style=style),
        "size": Text(column.size if drifts else "", style=style),
        "test": Text(method_value(column, column.decided_by), style=style if drifts else ""),
        "p": Text(p_value(decisive.p_value if decisive is not None else None), style="dim"),
        "PSI": Text(method_value(column, "psi").removeprefix("PSI "), style="dim"),
        "JS": Text(method_value(column, "js").removeprefix("JS "), style="dim"),
        **{title: _beside(column, name, title) for name, title in beside.items()},
        "missing": Text(_missing(column), style=_missing_style(column)),
    }


def _beside(column: ColumnDrift, name: str, title: str) -> Text:
    return Text("" if name == column.decided_by else method_value(column, name).removeprefix(f"{title} "), style="dim")


def _drawn(column: ColumnDrift) -> tuple[str, str]:
    """Both distributions on one scale."""
    if column.was is None or column.now is None:
        return "", ""
    was, now = fewer_cells(column.was), fewer_cells(column.now)
    highest = float(max(was.max(initial=0.0), now.max(initial=0.0)))
    return histogram(was, highest), histogram(now, highest)


def _missing(column: ColumnDrift) -> str:
    was, now = column.missing_was or 0.0, column.missing_now or 0.0
    return shares(was, now) if was or now else ""


def _missing_style(column: ColumnDrift) -> str:
    return "yellow" if abs((column.missing_now or 0.0) - (column.missing_was or 0.0)) >= 0.01 else "dim"


class WindowsTable(Struct, frozen=True):
    """A line per window; where it is narrow, with one metric."""

    evaluations: tuple[Evaluation, ...]
    timezone: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        metric_names = {name for evaluation in self.evaluations for name in evaluation.realized}
        metrics = [name for name in HEADLINES if name in metric_names]
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
    worst = first if first is not None and first.state in ("drift", "within_normal_variation") else None
    score = evaluation.score
    return [
        Text(window_label(evaluation.window, timezone) + ("" if evaluation.closed else " (open)")),
        Text(count(evaluation.rows)),
        Text(percent(evaluation.coverage)),
        Text(_drifted_of(evaluation), style="green" if first is None else state_style(first)),
        Text("") if worst is None else Text(f"{printable(worst.name)} {worst.size}", style=state_style(worst)),
        Text(method_value(score, "psi").removeprefix("PSI "), style=state_style(score)) if score else Text("–"),
    ]


def _drifted_of(evaluation: Evaluation) -> str:
    """Say how many features drifted of those that could be compared, and how many are far and usual."""
    columns = list(evaluation.features.values())
    total, usual = compared(evaluation), sum(column.state == "within_normal_variation" for column in columns)
    if not total:
        return state_word(rank(columns)[0].state, rank(columns)[0].reason) if columns else ""
    return f"{drifted(evaluation)} of {total}" + (f", {usual} {state_word('within_normal_variation')}" if usual else "")


def _window_value(evaluation: Evaluation, name: str) -> Text:
    metric, reference = evaluation.realized.get(name), evaluation.reference.get(name)
    value = None if metric is None else metric.value
    return Text(number(value), style=change_style(name, None if reference is None else reference.value, value))


def evaluation_view(
    evaluation: Evaluation,
    timezone: str = "UTC",
    concept: RenderableType | None = None,
    detail: Detail = EVERYTHING,
) -> RenderableType:
    """Show one window: heading, performance, drift ranked by what matters, and what is behind both.

    ``concept``: what the errors of all windows say. Explained, the last word is one sentence of all facts.
    """
    parts: list[RenderableType] = [_heading(evaluation, timezone)]
    drift = DriftTable(evaluation, detail)
    before, after = (
        [part for section in group for part in section(evaluation, detail)] for group in (BEFORE_DRIFT, AFTER_DRIFT)
    )
    for part in (*before, drift, *after):
        parts += [Text(), part]
    parts += [Text(line, style="dim") for line in _remarks(evaluation, timezone, detail)]
    parts += [] if concept is None else [Text(), concept]
    parts += [Text(), Text(sentence(evaluation), style="bold")] if detail.explain else []
    return Readable(Group(*parts))


def verdict_view(verdict: Verdict) -> RenderableType:
    """Show a verdict: its sentence, how sure it is, and what to do."""
    parts = [Text(verdict_sentence(verdict), style=f"bold {VERDICT_STYLES[verdict.state]}")]
    parts += [Text(verdict_next(verdict)), Text(verdict_certainty(verdict), style="dim")]
    return Readable(Group(*parts))


def windows_view(
    evaluations: Sequence[Evaluation], timezone: str = "UTC", detail: Detail = EVERYTHING
) -> RenderableType:
    """Show several windows, a line each: rows, coverage, what drifted, the score's PSI, performance."""
    shown_windows = tuple(evaluations) if detail.all else tuple(evaluations[-MOST_WINDOWS:])
    hidden = len(evaluations) - len(shown_windows)
    before = [Text(f"{many(hidden, 'earlier window')}: --all", style="dim")] if hidden else []
    return Readable(Group(*before, WindowsTable(shown_windows, timezone)))


def show(
    evaluations: Sequence[Evaluation],
    console: Console | None = None,
    concept: ConceptDrift | None = None,
    wrong: Sequence[Worst] = (),
    verdict: Verdict | None = None,
    detail: Detail = EVERYTHING,
) -> None:
    """Print evaluations: the verdict, several windows as a table, then the newest that can be judged.

    ``concept``: what the errors of all of them say. ``wrong``: the worst rows of each, where somebody asked.
    ``verdict``: whether the model is healthy, by all of them. ``detail``: how much of all that.
    """
    console = console or terminal()
    if verdict is not None:
        console.print(verdict_view(verdict))
        console.print()
    if len(evaluations) > 1:
        console.print(windows_view(evaluations, detail=detail))
        console.print()
    judged_indices = [index for index, evaluation in enumerate(evaluations) if evaluation.share is not None]
    shown = judged_indices[-1] if judged_indices else len(evaluations) - 1
    explained = None
    has_outcomes = concept is not None and (concept.outcomes or concept.unusable)
    if (
        concept is not None
        and has_outcomes
        and (detail.explain or concept.state == "drift" or "concept" in detail.asked)
    ):
        style = "bold red" if concept.state == "drift" else ""
        levels = error_levels(evaluations, concept.measure)
        explained = Text(concept_sentence(concept, date_words, levels) + ".", style=style)
    console.print(evaluation_view(evaluations[shown], concept=explained, detail=detail))
    if wrong and wrong[shown].rows:
        console.print(Readable(Group(Text(), mispredictions(wrong[shown]))))
    if not detail.explain:
        console.print(Text("\nThe statistics behind this: --explain", style="dim"))


def _heading(evaluation: Evaluation, timezone: str) -> Text:
    key = evaluation.key
    text = Text(printable(key.model or "model"), style="bold")
    facts = [key.version and f"version {printable(key.version)}", key.environment and printable(key.environment)]
    facts += [window_name(evaluation.window, timezone), many(evaluation.rows)]
    facts += [f"outcomes for {percent(evaluation.coverage)}" if evaluation.outcome_rows else ""]
    facts += ["" if evaluation.closed else "open"]
    text.append("".join(f" · {fact}" for fact in facts if fact), style="not bold")
    return text


def _remarks(evaluation: Evaluation, timezone: str, detail: Detail) -> list[str]:
    remarks = []
    if evaluation.immature:
        remarks.append(f"its performance is not final: {evaluation.immature}")
    if evaluation.unreviewed:
        remarks.append(printable(advice(evaluation.unreviewed)).rstrip("."))
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
            listed = ", ".join(printable(name) for name in detail.first(names, 8))
            more = f" and {len(names) - 8} more" if len(names) > 8 and not detail.all else ""
            remarks.append(f"{words}: {listed}{more}")
    remarks += map(printable, lasting_sentences(evaluation, lambda time: date_words(time, timezone)))
    remarks += _statistics(evaluation, timezone) if detail.explain else []
    return ["", *remarks] if remarks else []


def _statistics(evaluation: Evaluation, timezone: str) -> Iterator[str]:
    """Say what the statistics rest on: lateness of outcomes, weights, incidents, and what drift would have shown."""
    if late := lateness(evaluation):
        yield f"{late[0].lower()}{late[1:]}".rstrip(".")
    if any(column.state == "drift" for column in evaluation.features.values()):
        share = evaluation.weighted_fraction
        yield (
            "importance unknown: all features count the same"
            if share is None
            else f"weighted by importance, {percent(share)} of the features drifted"
        )
    for name, since in evaluation.incident.items():
        yield f"incident: {printable(name.removeprefix('feature:'))}, since {date_words(since, timezone)}"
    yield from filter(None, [what_lacks(evaluation)])
    yield from drift_remarks(column for _, column in columns(evaluation))
