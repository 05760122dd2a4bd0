"""A challenger compared with its champion: its sentence, the tested metrics, and other metrics of the same time."""

from __future__ import annotations

from typing import Final

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.versions.comparison import Comparison
from driftline_processor.core.versions.side_by_side import SideBySide, Version
from driftline_processor.present.metrics import ends_of_calls, metric_names, metric_title, service_title, value_of_calls
from driftline_processor.present.numbers import count, ends, many, number, percent
from driftline_processor.present.sections.section import Cell, Column, Line, Row, Section, Table, Tone, first_rows, row
from driftline_processor.present.sentences.register import clause
from driftline_processor.present.times import date_words, end_words
from driftline_processor.present.wording import short

LOSS_WORDS: Final = {
    "error": "error rate",
    "brier": "Brier score",
    "log_loss": "log loss",
    "absolute_error": "mean absolute error",
    "squared_error": "mean squared error",
    "cost_per_prediction": "cost per prediction",
}

_VERDICTS: dict[str, tuple[Tone, str]] = {
    "worse": ("bad", "drift"),
    "better": ("good", "ok"),
    "inconclusive": ("quiet", "inconclusive"),
}
"""Verdict → its emphasis and the colour of its badge."""


def comparison(side_by_side: SideBySide, timezone: str = "UTC") -> Section:
    """Lay out the comparison of a challenger: the deciding metrics first, then metrics that are not tested."""
    champion, challenger = side_by_side.champion, side_by_side.challenger
    names = [short(version.name, 32) or "no version" for version in (champion, challenger)]
    are_files = side_by_side.of_files
    in_service = names[0] if are_files else f"champion {names[0]}"
    sides = (Column(in_service, "number", spare=2), Column(names[1], "number", spare=1))
    others = (*_metrics(side_by_side), *_calls(side_by_side))
    tested = Table(
        (
            Column("loss" if are_files else f"{side_by_side.role} {names[1]}"),
            *sides,
            Column("difference (valid at any time)", "number"),
            Column("verdict"),
            Column("requests", "number", spare=3),
        ),
        tuple(map(_tested, side_by_side.comparisons.values())),
        noun="loss",
    )
    untested = Table(
        (Column("metric"), *sides, Column("outcomes", "number", spare=3)),
        first_rows(others, 3) if are_files else others,
        noun="metric",
        folded_as="Other metrics of the same period, not tested",
    )
    period = ""
    if side_by_side.start:
        period = f" from {date_words(side_by_side.start, timezone)} to {end_words(side_by_side.end, timezone)}"
    rows = f"{count(champion.rows)} and {count(challenger.rows)} predictions{period}"
    paired = f"{many(side_by_side.pairs, 'request')} with an outcome" if side_by_side.pairs else "no request"
    counts = f"{rows}; both versions scored {paired}."
    first = Line(f"{short(comparison_sentence(side_by_side), 400)}.", _VERDICTS[side_by_side.verdict][0])
    return Section(
        f"other-metrics-{names[1]}",
        "Candidate and champion" if are_files else f"{names[1]} compared with {names[0]}",
        (first, tested, untested, Line(counts, "quiet")),
    )


def _tested(comparison: Comparison) -> Row:
    tone, state = _VERDICTS[comparison.verdict]
    needed = "" if comparison.rows_needed is None else f", about {count(about(comparison.rows_needed))} needed"
    return row(
        LOSS_WORDS.get(comparison.loss, comparison.loss),
        mean_loss(comparison.loss, comparison.champion),
        mean_loss(comparison.loss, comparison.challenger),
        ends_of_difference(comparison.loss, comparison.low, comparison.high),
        Cell(comparison.verdict, tone, badge=f"state-{state}"),
        f"{count(comparison.rows)} {'scored by both' if comparison.paired else 'in total'}{needed}",
    )


def _metrics(side_by_side: SideBySide) -> list[Row]:
    """Return the metrics of both sides that are not tested."""
    champion, challenger = side_by_side.champion.metrics, side_by_side.challenger.metrics
    return [
        row(
            metric_title(name),
            *(
                Cell(number(metric.value), note=ends(metric.low, metric.high))
                for metric in (champion[name], challenger[name])
            ),
            Cell(f"{count(champion[name].rows)} and {count(challenger[name].rows)}", "quiet"),
        )
        for name in metric_names(champion)
        if name in challenger and name not in side_by_side.comparisons
    ]


def _calls(side_by_side: SideBySide) -> list[Row]:
    """Return the service metrics that both sides have."""
    champion, challenger = side_by_side.champion.service, side_by_side.challenger.service
    if champion is None or challenger is None:
        return []

    def cell(name: str, measured: MetricValue) -> Cell:
        return Cell(value_of_calls(name, measured), note=ends_of_calls(name, measured))

    return [
        row(
            service_title(name),
            cell(name, measured),
            cell(name, challenger.values[name]),
            Cell(f"of {count(measured.rows)} and {count(challenger.values[name].rows)} calls", "quiet"),
        )
        for name, measured in champion.values.items()
        if name in challenger.values
    ]


def mean_loss(loss: str, value: float | None) -> str:
    """Return a mean loss; error rates as a percentage.

    >>> mean_loss("error", 0.2), mean_loss("brier", 0.16251), mean_loss("error", None)
    ('20 %', '0.163', 'unknown')
    """
    return "unknown" if value is None else (percent if loss == "error" else number)(value)


def ends_of_difference(loss: str, low: float | None, high: float | None) -> str:
    """Return the signed ends of a difference's interval; error rates in percentage points.

    >>> ends_of_difference("error", 0.012, 0.0731), ends_of_difference("brier", None, None)
    ('+1.2 to +7.31 points', 'unknown')
    """
    if low is None and high is None:
        return "unknown"
    scale, unit = (100, " points") if loss == "error" else (1, "")
    return " to ".join("?" if end is None else f"{end * scale:+.3g}" for end in (low, high)) + unit


def about(rows: int) -> int:
    """Return an estimated number of rows with two digits, rounded up.

    >>> about(14_791), about(99)
    (15000, 99)
    """
    unit = int(10 ** max(len(str(rows)) - 2, 0))
    return -(-rows // unit) * unit


def comparison_sentence(side_by_side: SideBySide) -> str:
    """Return the comparison of a challenger and its basis."""
    versions = side_by_side.challenger, side_by_side.champion
    name, champion = (_version_text(version, side_by_side.of_files) for version in versions)
    difference = side_by_side.decides
    if difference is None:
        return f"{name} cannot be compared with {champion}: {clause(side_by_side.reason)}"
    verdict_words = {
        "worse": "is worse than",
        "better": "is better than",
        "inconclusive": "cannot be distinguished from",
    }[difference.verdict]
    yet_words = " yet" if difference.verdict == "inconclusive" else ""
    rows = many(difference.rows, "request") + (" that both scored" if difference.paired else "")
    loss = LOSS_WORDS.get(difference.loss, difference.loss)
    challenger_loss, champion_loss = (
        mean_loss(difference.loss, v) for v in (difference.challenger, difference.champion)
    )
    words = (
        f"{name} {verdict_words} {champion}{yet_words}: {loss} {challenger_loss} against {champion_loss} in {rows}, "
        f"a difference of {ends_of_difference(difference.loss, difference.low, difference.high)}"
    )
    if difference.rows_needed is not None:
        words += f"; at this rate about {count(about(difference.rows_needed))} requests are needed to decide"
    return words


def _version_text(version: Version, is_file: bool) -> str:
    if is_file:
        return f"the {version.name}"
    return f"version {version.name}" if version.name else "the version without a name"
