"""Several windows, one row each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.present.metrics import HEADLINES, metric_title
from driftline_processor.present.numbers import UNKNOWN, cell, count, ends, number, percent, shares
from driftline_processor.present.sections.drift import state_tone
from driftline_processor.present.sections.section import Cell, Column, Row, Section, Table, row
from driftline_processor.present.sentences.verdict import verdict_word
from driftline_processor.present.sentences.window import drift_words
from driftline_processor.present.states import compared, drifted, overall, rank, state_word
from driftline_processor.present.times import window_label
from driftline_processor.present.wording import short

LARGE_PSI = 0.25
"""Minimum PSI of large drift."""

MOST_METRICS = 3


def windows(evaluations: Sequence[Evaluation], timezone: str = "UTC") -> Section:
    """Lay out windows in their order: rows, coverage, drift, and performance.

    The predicted rate is next to the actual rate, and the log loss next to that of a constant prediction of the
    baseline's rate: a model with a higher log loss is worse than the constant.
    """
    metrics = [name for name in HEADLINES if any(_value(evaluation, name) is not None for evaluation in evaluations)]
    if "log_loss" in metrics:
        metrics = [name for name in metrics if name not in ("accuracy", "f1")]  # these metrics follow the base rate
    metrics = metrics[:MOST_METRICS]
    usual = any(_usual(evaluation) for evaluation in evaluations)
    rates = any(_value(evaluation, "mean_score") is not None for evaluation in evaluations)
    bounded = {
        name for name in metrics if any((m := evaluation.realized.get(name)) and m.low for evaluation in evaluations)
    }
    headings = (
        Column("window"),
        Column("rows", "number"),
        Column("outcomes", "number"),
        Column("verdict", surfaces="notebook"),
        Column("drift", surfaces="notebook"),
        Column("drifted", "number", surfaces="terminal report"),
        *([Column("within normal variation", "number", surfaces="terminal", spare=8)] if usual else []),
        Column("top drift", surfaces="terminal report", spare=7),
        Column("score PSI", "number", surfaces="terminal report", spare=3),
        *([Column("predicted → actual rate", "number", surfaces="terminal report", spare=6)] if rates else []),
        *(
            column
            for index, name in enumerate(metrics)
            for column in (
                Column(metric_title(name), "number", surfaces="terminal report", spare=index),
                *([Column("interval", surfaces="terminal", spare=10 + index)] if name in bounded else []),
            )
        ),
    )

    def line(evaluation: Evaluation) -> Row:
        score = None if evaluation.score is None else evaluation.score.methods.get("psi")
        psi = None if score is None else score.value
        predicted_rate, actual_rate = _value(evaluation, "mean_score"), _value(evaluation, "actual_rate")
        return row(
            f"{window_label(evaluation.window, timezone)}{'' if evaluation.closed else ' (open)'}",
            count(evaluation.rows),
            percent(evaluation.coverage),
            "" if evaluation.verdict is None else verdict_word(evaluation.verdict.state),
            Cell(drift_words(evaluation), state_tone(overall(evaluation))),
            _drifted(evaluation),
            *([count(_usual(evaluation))] if usual else []),
            _most_drifted(evaluation),
            Cell(number(psi), "bad" if psi is not None and psi >= LARGE_PSI else ""),
            *(
                [UNKNOWN if predicted_rate is None or actual_rate is None else shares(predicted_rate, actual_rate)]
                if rates
                else []
            ),
            *(text for name in metrics for text in _metric(evaluation, name, name in bounded)),
        )

    return Section("windows", "Windows", (Table(headings, tuple(map(line, evaluations)), noun="window"),))


def _value(evaluation: Evaluation, name: str) -> float | None:
    metric = evaluation.realized.get(name)
    return None if metric is None else metric.value


def _usual(evaluation: Evaluation) -> int:
    return sum(state == "within_normal_variation" for state in evaluation.drift.states)


def _drifted(evaluation: Evaluation) -> Cell:
    """Return the number of drifted features among the comparable ones, or why none is comparable."""
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
    """Yield the cells of a metric: value, in red if a constant is better, the constant's value, and the interval."""
    value, constant = _value(evaluation, name), _value(evaluation, f"{name}_constant")
    worse = value is not None and constant is not None and value > constant
    yield Cell(cell(value), "bad" if worse else "", "" if constant is None else f"({cell(constant)})")
    if bounded:
        metric = evaluation.realized.get(name)
        yield Cell("" if metric is None else ends(metric.low, metric.high), "quiet")
