"""Sections on drift: the columns of a window, causes, slices, and all features together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.drift.incident import columns as incident_columns
from driftline_processor.core.drift.lasting import LEAST_BLOCKS
from driftline_processor.core.drift.method_choice import SHOWN
from driftline_processor.core.drift.multivariate import JOINT
from driftline_processor.core.drift.slices import rank_drifted_slices
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, LastingShift, SliceDrift
from driftline_processor.present.metrics import METHOD_SYMBOLS, method_value
from driftline_processor.present.numbers import count, finite, many, number, p_value, percent, shares
from driftline_processor.present.sections.section import (
    Bars,
    Cell,
    Column,
    Line,
    Listing,
    Row,
    Section,
    Spark,
    Table,
    Tone,
    first_rows,
    floats,
    row,
)
from driftline_processor.present.sentences.causes import cause_sentence, change_sentence, explanation_sentence
from driftline_processor.present.sentences.drift import joint_sentence, slice_sentence
from driftline_processor.present.sentences.window import column_name, drift_remarks, drift_words
from driftline_processor.present.states import compared, rank, state_word
from driftline_processor.present.times import date_words
from driftline_processor.present.wording import capital, short

MOST_FEATURES = 10
MOST_SLICES = 5
MOST_CELLS = 16
"""Blocks of a distribution in a text line."""

_SIZES: dict[str, Tone] = {"large": "bad", "moderate": "alert", "small": "warn"}


def state_tone(state: str, size: str = "") -> Tone:
    """Return the tone of a drift state."""
    return _SIZES.get(size, "alert") if state == "drift" else "good" if state == "ok" else "info"


def columns(evaluation: Evaluation, history: Sequence[Evaluation] = ()) -> Section:
    """Lay out score, class and features with both distributions, the most important first.

    Args:
        evaluation: The window.
        history: Windows up to this one, oldest first, for the drawing of each column's drift over time.
    """
    predictions = [column for column in (evaluation.score, evaluation.predicted) if column is not None]
    features = _rank_by_weight(evaluation)
    everything = [*predictions, *features]
    if not everything:
        return Section("columns", "")
    methods = _other_methods(everything)
    missing = any(column.missing_was or column.missing_now for column in everything)
    over_time = {column.words: _effects(column, history) for column in everything} if history else {}
    highest = max((max(effects, default=0.0) for effects in over_time.values()), default=0.0)
    headings = (
        Column(""),
        Column("baseline and window", "drawing", surfaces="notebook"),
        Column("was", "drawing", surfaces="terminal", spare=7),
        Column("→ is", "drawing", surfaces="terminal", spare=6),
        *([Column("over time", "drawing", surfaces="terminal", spare=2)] if history else []),
        Column("state"),
        Column("size", spare=1),
        Column("test", "number", spare=3),
        Column("p", "number", surfaces="explain", spare=10),
        Column("PSI", "number", term="PSI", surfaces="explain notebook", spare=9),
        Column("JS", "number", surfaces="explain", spare=11),
        *(Column(METHOD_SYMBOLS[name], "number", spare=5) for name in methods),
        *([Column("missing", spare=8)] if missing else []),
    )

    def line(column: ColumnDrift, surfaces: str = "") -> Row:
        tone = state_tone(column.state, column.size)
        drifts, decisive = column.state == "drift", column.methods.get(column.decided_by)
        was, now = _distribution(column)
        return row(
            Cell(column_name(column)),
            Cell(tone="bad" if drifts else "", drawing=_bars(column)),
            Cell(tone="quiet", drawing=was),
            Cell(tone=tone if drifts else "", drawing=now),
            *([Cell(tone=tone, drawing=Spark(over_time[column.words], highest))] if history else []),
            Cell(state_word(column.state, column.reason), tone),
            Cell(column.size if drifts else "", tone),
            Cell(method_value(column, column.decided_by), tone if drifts else ""),
            Cell(p_value(None if decisive is None else decisive.p_value), "quiet"),
            *(Cell(_bare(column, name), "quiet") for name in ("psi", "js")),
            *(Cell("" if name == column.decided_by else _bare(column, name), "quiet") for name in methods),
            *([_missing(column)] if missing else []),
            surfaces=surfaces,
        )

    feature_rows = [line(column, "" if index < MOST_FEATURES else "all top") for index, column in enumerate(features)]
    gap = [Row(surfaces="terminal")] if predictions and features else []
    table = Table(headings, (*map(line, predictions), *gap, *feature_rows), noun="feature")
    legend = [Line(text, "quiet", surfaces="terminal") for text in _legend(everything)]
    total, title = compared(evaluation), capital(drift_words(evaluation))
    others = many(len(features) - total, "more feature")
    note = f"{others} cannot be evaluated" if 0 < total < len(features) else ""
    return Section("columns", title, (table, *legend), note=note, surfaces="terminal notebook")


def _rank_by_weight(evaluation: Evaluation) -> list[ColumnDrift]:
    """Sort features by state, then by their cost if their importance is known, then by the size of their drift."""
    causes = () if evaluation.explanation is None else evaluation.explanation.causes
    weights = {cause.features[0]: cause.weight or 0.0 for cause in causes if len(cause.features) == 1}
    ranked = rank(evaluation.features.values())
    places = {state: place for place, state in enumerate(dict.fromkeys(column.state for column in ranked))}
    return sorted(ranked, key=lambda column: (places[column.state], -weights.get(column.name, 0.0)))


def _other_methods(columns: Sequence[ColumnDrift]) -> list[str]:
    """Return the additional methods from the configuration."""
    names = {name for column in columns for name in column.methods if name not in (column.decided_by, *SHOWN)}
    return sorted(names, key=list(METHOD_SYMBOLS).index)


def _effects(column: ColumnDrift, history: Sequence[Evaluation]) -> tuple[float, ...]:
    """Return the size of a column's drift per window."""
    drifts = [
        {"score": window.score, "class": window.predicted}.get(column.column, window.features.get(column.name))
        for window in history
    ]
    return tuple(0.0 if drift is None else finite(drift.effect) or 0.0 for drift in drifts)


def _bare(column: ColumnDrift, method: str) -> str:
    return method_value(column, method).removeprefix(f"{METHOD_SYMBOLS[method]} ")


def _bars(column: ColumnDrift) -> Bars | None:
    return (
        None if column.was is None or column.now is None else Bars(floats(column.was), floats(column.now), column.state)
    )


def _distribution(column: ColumnDrift) -> tuple[Spark | None, Spark | None]:
    """Return both distributions on one scale."""
    if column.was is None or column.now is None:
        return None, None
    was, now = fewer_cells(column.was), fewer_cells(column.now)
    highest = float(max(was.max(initial=0.0), now.max(initial=0.0)))
    return Spark(floats(was), highest), Spark(floats(now), highest)


def fewer_cells(shares: F64, limit: int = MOST_CELLS) -> F64:
    """Merge neighbouring cells until at most ``limit`` are left.

    >>> import numpy as np
    >>> fewer_cells(np.array([0.1, 0.2, 0.3, 0.4]), 2).round(1).tolist()
    [0.3, 0.7]
    """
    if len(shares) <= limit:
        return shares
    step = -(-len(shares) // limit)
    merged: F64 = np.add.reduceat(shares, np.arange(0, len(shares), step))
    return merged


def _missing(column: ColumnDrift) -> Cell:
    was, now = column.missing_was or 0.0, column.missing_now or 0.0
    return Cell(shares(was, now) if was or now else "", "warn" if abs(now - was) >= 0.01 else "quiet")


def _legend(columns: Sequence[ColumnDrift]) -> list[str]:
    """Return explanations of the states whose words are not enough."""
    states, lines = {column.state for column in columns}, []
    if "within_normal_variation" in states:
        explanation = "shifted, but not more than the days and weeks of the baseline differ from each other"
        lines.append(f"{state_word('within_normal_variation')}: {explanation}")
    if "inconclusive" in states:
        reasons = sorted({column.reason for column in columns if column.reason})
        words = " and ".join(state_word("inconclusive", reason) for reason in reasons) or state_word("inconclusive")
        lines.append(f"{words}: cannot be evaluated; there may still be drift")
    return lines


def why(evaluation: Evaluation) -> Section:
    """Lay out the kind of change and its causes, the most important first."""
    parts: list[Line | Listing] = []
    if evaluation.change_kind is not None:
        parts.append(Line(f"{capital(change_sentence(evaluation.change_kind))}.", key="change-kind"))
    if evaluation.explanation is not None and (sentence := explanation_sentence(evaluation.explanation)):
        parts.append(Listing(tuple(map(cause_sentence, evaluation.explanation.causes)) or (sentence,)))
    return Section("why", "Why", tuple(parts))


def slices(evaluation: Evaluation) -> Section:
    """Lay out drift by slice: drifted slices first, then those with most rows."""
    if not evaluation.slices:
        return Section("slices", "Slices")
    if all(drift.state == "no_baseline" for drift in evaluation.slices.values()):
        unknown = f"{many(len(evaluation.slices), 'slice')}; the baseline does not contain them."
        return Section("slices", "Slices", (Line(unknown, "quiet"),))
    headings = (Column("slice"), Column("rows", "number"), Column("state"), Column("drifted columns", "words"))
    rows = (_slice(name, drift) for name, drift in rank_drifted_slices(evaluation.slices))
    return Section("slices", "Slices", (Table(headings, first_rows(rows, MOST_SLICES), noun="slice"),))


def _slice(name: str, drift: SliceDrift) -> Row:
    state = Cell(state_word(drift.state, drift.reason), state_tone(drift.state))
    return row(short(name), count(drift.rows), state, slice_sentence(drift))


def joint(evaluation: Evaluation) -> Section:
    """Lay out the joint drift of all features, a row per method."""
    headings = (
        Column("state"),
        Column("method"),
        Column("p", "number", surfaces="explain"),
        Column("finding", "words"),
    )
    rows = tuple(
        row(
            Cell(state_word(drift.state), state_tone(drift.state)),
            JOINT[drift.method].title if drift.method in JOINT else drift.method,
            Cell(p_value(drift.p_value), "quiet"),
            joint_sentence(drift),
            # the classifier runs on request only
            surfaces="" if drift.state == "drift" or drift.method == "domain_classifier" else "page explain",
        )
        for drift in evaluation.joint.values()
    )
    return Section("together", "Features together", (Table(headings, rows),) if rows else ())


def lasting(evaluation: Evaluation, timezone: str = "UTC") -> Section:
    """Lay out the shifts that persist over windows, the most significant first, or why none can be found."""
    lines = [Line(f"{text}.", "bad") for text in lasting_sentences(evaluation, lambda time: date_words(time, timezone))]
    if missing := what_lacks(evaluation):
        lines.append(Line(missing, "quiet", surfaces="page explain"))
    return Section("lasting", "Lasting shifts", tuple(lines))


def statistics(evaluation: Evaluation, timezone: str = "UTC") -> Section:
    """Lay out the basis of the drift states: weights, incidents, and detectable drift."""
    texts = []
    if any(column.state == "drift" for column in evaluation.features.values()):
        share = evaluation.weighted_fraction
        texts.append(
            "importance unknown: all features have the same weight"
            if share is None
            else f"weighted by importance, {percent(share)} of the features drifted"
        )
    for name, since in evaluation.incident.items():
        texts.append(f"incident: {short(name.removeprefix('feature:'))}, since {date_words(since, timezone)}")
    texts += drift_remarks(column for _, column in incident_columns(evaluation))
    return Section("statistics", "Statistics", tuple(Line(text, "quiet") for text in texts), surfaces="explain")


def lasting_sentences(evaluation: Evaluation, moment: Callable[[int], str]) -> list[str]:
    """Return a sentence per persistent shift up to now, the most significant first; ``moment``: writes a time."""
    columns = {} if evaluation.lasting is None else evaluation.lasting.columns
    ranked_columns = sorted(columns.items(), key=lambda shift: -(shift[1].evidence or 0.0))
    score = "score" if evaluation.score is None else evaluation.score.words
    return [lasting_sentence(name, shift, moment, score) for name, shift in ranked_columns if shift.state == "drift"]


def what_lacks(evaluation: Evaluation) -> str:
    """Return why persistent shifts are inconclusive for all columns; "" if they are not or windows have no sequence.

    >>> from types import SimpleNamespace as Some
    >>> from driftline_processor.core.evaluation import LastingDrift
    >>> what_lacks(Some(window=Some(name="1d"), lasting=LastingDrift("", ("score",), reason=("no_times",))))
    'Lasting shifts cannot be tested: the reference has no times. Build it with its time column.'
    """
    columns = {} if evaluation.lasting is None else evaluation.lasting.columns
    reason = {shift.reason for shift in columns.values()}
    if not evaluation.window.name or not reason or "" in reason:
        return ""
    if "no_times" in reason:
        return "Lasting shifts cannot be tested: the reference has no times. Build it with its time column."
    name = evaluation.window.name
    fewer = f"the reference has fewer than {LEAST_BLOCKS} periods of {name} with enough rows"
    return f"Lasting shifts cannot be tested: {fewer}."


def lasting_sentence(name: str, lasting_shift: LastingShift, moment: Callable[[int], str], score: str = "score") -> str:
    """Return one shift as a sentence: column, size, begin, number of windows; ``score``: the word for the score.

    >>> lasting_sentence("feature:x", LastingShift("drift", "level", 0.21, 9, 0, 5.0, 9), lambda time: f"day {time}")
    'lasting shift: over the 9 windows from day 0 on, x is 0.21 sd higher'
    """
    subject = {"score": f"the {score}", "class": "the predicted class"}.get(name, short(name.removeprefix("feature:")))
    shift, since = lasting_shift.shift or 0.0, lasting_shift.since or 0
    direction = "higher" if shift > 0 else "lower"
    if lasting_shift.measure == "level":
        how = f"{subject} is {number(abs(shift))} sd {direction}"
    elif lasting_shift.measure == "spread":
        how = f"{subject} spreads {'more' if shift > 0 else 'less'}"
    else:
        points = number(abs(100 * shift))
        how = f"the fraction of {short(lasting_shift.measure)} in {subject} is {points} points {direction}"
    return f"lasting shift: over the {many(lasting_shift.windows, 'window')} from {moment(since)} on, {how}"
