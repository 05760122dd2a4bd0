"""Several windows, a row each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.present.numbers import UNKNOWN, cell, count, ends, number, percent, shares
from driftline_processor.present.sections.drift import state_tone
from driftline_processor.present.sections.section import Cell, Column, Row, Section, Table, row
from driftline_processor.present.sentences.window import drift_words
from driftline_processor.present.states import compared, drifted, overall, rank, state_word
from driftline_processor.present.times import window_label
from driftline_processor.present.titles import HEADLINES, metric_title
from driftline_processor.present.verdicts import verdict_word
from driftline_processor.present.wording import short

LARGE_PSI = 0.25
"""From here on the size of a drift is called large."""

MOST_METRICS = 3


def windows(evaluations: Sequence[Evaluation], timezone: str = "UTC") -> Section:
    """Lay out windows in the order in which they come: rows, coverage, what drifted, and how good the model was.

    The rate that was predicted stands beside the one that came true, and the log loss beside that of a constant that
    always says the baseline's rate: a model above it is worse than none.
    """
    metrics = [name for name in HEADLINES if any(_value(one, name) is not None for one in evaluations)]
    if "log_loss" in metrics:
        metrics = [name for name in metrics if name not in ("accuracy", "f1")]  # they follow the base rate
    metrics = metrics[:MOST_METRICS]
    usual = any(_usual(one) for one in evaluations)
    rates = any(_value(one, "mean_score") is not None for one in evaluations)
    bounded = {name for name in metrics if any((m := one.realized.get(name)) and m.low for one in evaluations)}
    headings = (
        Column("window"),
        Column("rows", "number"),
        Column("outcomes", "number"),
        Column("verdict", surfaces="notebook"),
        Column("drift", surfaces="notebook"),
        Column("drifted", "number", surfaces="terminal"),
        *([Column("within normal variation", "number", surfaces="terminal", spare=8)] if usual else []),
        Column("most", surfaces="terminal", spare=7),
        Column("score PSI", "number", surfaces="terminal", spare=3),
        *([Column("predicted → actual rate", "number", surfaces="terminal", spare=6)] if rates else []),
        *(
            column
            for index, name in enumerate(metrics)
            for column in (
                Column(metric_title(name), "number", surfaces="terminal", spare=index),
                *([Column("interval", surfaces="terminal", spare=10 + index)] if name in bounded else []),
            )
        ),
    )

    def line(one: Evaluation) -> Row:
        score = None if one.score is None else one.score.methods.get("psi")
        psi = None if score is None else score.value
        said, was = _value(one, "mean_score"), _value(one, "actual_rate")
        return row(
            f"{window_label(one.window, timezone)}{'' if one.closed else ' (open)'}",
            count(one.rows),
            percent(one.coverage),
            "" if one.verdict is None else verdict_word(one.verdict.state),
            Cell(drift_words(one), state_tone(overall(one))),
            _drifted(one),
            *([count(_usual(one))] if usual else []),
            _most_drifted(one),
            Cell(number(psi), "bad" if psi is not None and psi >= LARGE_PSI else ""),
            *([UNKNOWN if said is None or was is None else shares(said, was)] if rates else []),
            *(text for name in metrics for text in _metric(one, name, name in bounded)),
        )

    return Section("windows", "Windows", (Table(headings, tuple(map(line, evaluations)), noun="window"),))


def _value(evaluation: Evaluation, name: str) -> float | None:
    metric = evaluation.realized.get(name)
    return None if metric is None else metric.value


def _usual(evaluation: Evaluation) -> int:
    return sum(state == "within_normal_variation" for state in evaluation.drift.states)


def _drifted(evaluation: Evaluation) -> Cell:
    """Say how many features drifted of those that could be compared, or why none could."""
    drifting, total = drifted(evaluation), compared(evaluation)
    if total:
        return Cell(f"{drifting} of {total}", state_tone("drift", "large") if drifting else "good")
    first = next(iter(rank(evaluation.features.values())), None)
    return Cell("" if first is None else state_word(first.state, first.reason), "info")


def _most_drifted(evaluation: Evaluation) -> Cell:
    first = next(iter(rank(evaluation.features.values())), None)
    if first is None or first.state not in ("drift", "within_normal_variation"):
        return Cell()
    return Cell(f"{short(first.name, 28)} {first.size}", state_tone(first.state, first.size))


def _metric(evaluation: Evaluation, name: str, bounded: bool) -> Iterator[Cell]:
    """Yield the cells of a metric: red when a constant does better, the constant's value behind it, the interval."""
    value, constant = _value(evaluation, name), _value(evaluation, f"{name}_constant")
    worse = value is not None and constant is not None and value > constant
    yield Cell(cell(value), "bad" if worse else "", "" if constant is None else f"({cell(constant)})")
    if bounded:
        metric = evaluation.realized.get(name)
        yield Cell("" if metric is None else ends(metric.low, metric.high), "quiet")
