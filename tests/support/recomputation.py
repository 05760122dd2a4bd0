"""What sentences say, recomputed from the rows with pandas alone, and contradictions within a verdict."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from driftline.tables.table import F64
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Cause, Evaluation, Finding, Verdict
from driftline_processor.core.fact import Fact, facts_within
from sklearn.metrics import log_loss, roc_auc_score

REPAIRS = {"retrain", "retrain_with_range", "retrain_with_slice", "recalibrate"}
"""Advice that changes the model."""


def fraction_in_range(where: str, values: F64) -> float:
    """Return the fraction of values for which a range in words holds."""
    low, high = np.full(len(values), True), np.full(len(values), True)
    if found := re.search(r"(of|above) (\S+)(?! or less)", where):
        edge = float(found[2])
        low = values >= edge if found[1] == "of" else values > edge
    if found := re.search(r"(?:(below) |to )(?:(below) )?([-\d.e]+)$", where):
        edge = float(found[3])
        high = values < edge if found[1] or found[2] else values <= edge
    elif found := re.fullmatch(r"values of (\S+)( or less)?", where):
        edge = float(found[1])
        low, high = np.full(len(values), True) if found[2] else low, values <= edge
    return float((low & high).mean())


class Rows:
    """The rows of a history and of its baseline.

    Attributes:
        baseline: Rows of the baseline.
        rows: Rows after it, with ``score``, ``label`` and ``time``.
    """

    def __init__(self, baseline: pd.DataFrame, rows: pd.DataFrame) -> None:
        """Keep the rows and their times."""
        self.baseline, self.rows = baseline, rows
        self._time = rows["time"].to_numpy().astype("datetime64[ns]").astype(np.int64)

    def false_numbers(self, evaluation: Evaluation, verdict: Verdict) -> Iterator[str]:
        """Yield what a window and the verdict at its end say that the rows do not confirm."""
        day = self._between(evaluation.window.start, evaluation.window.end)
        yield from self._of_window(evaluation, day)
        for one in (verdict, evaluation.verdict):
            if one is None or one.window_start is None or one.window_end is None:
                continue
            rows = self._between(one.window_start, one.window_end)
            of_days = any(fact.kind == "days_together" for fact in one.certainty)
            for said in _facts(one):
                # the faults and causes of a period are those of its newest day
                newest = day if of_days and said.kind in ("finding", "cause") else rows
                yield from self._of_fact(said, newest)

    def _between(self, start: int, end: int) -> pd.DataFrame:
        return self.rows[(self._time >= start) & (self._time < end)]

    def _of_window(self, evaluation: Evaluation, day: pd.DataFrame) -> Iterator[str]:
        yield from _differs("rows", evaluation.rows, len(day))
        for finding in evaluation.findings:
            yield from self._of_finding(finding, day)
        for cause in () if evaluation.explanation is None else evaluation.explanation.causes:
            yield from self._of_cause(cause, day)
        for name, value in evaluation.realized.items():
            yield from _differs(name, value.value, _metric(name, day))
            if not _is_inside(value.low, value.value, value.high):
                yield f"{name}: {value.value} outside {value.low} to {value.high}"

    def _of_fact(self, said: Fact, rows: pd.DataFrame) -> Iterator[str]:
        match said:
            case facts.LevelOfScores():
                yield from _differs("predicted", said.predicted, _metric("mean_score", rows))
                yield from _differs("actual", said.actual, _metric("actual_rate", rows))
            case facts.MetricMoved() | facts.NoWorseThanBaseline() | facts.WorseInsideMargin():
                yield from _differs(said.kind, said.value, _metric(said.metric, rows))
            case facts.WorseThanConstant():
                yield from _differs(said.kind, said.value, _metric("log_loss", rows))
            case facts.OfScores():
                yield from _differs("missing scores", said.now, rows["score"].isna().mean())
            case Finding():
                yield from self._of_finding(said, rows)
            case Cause():
                yield from self._of_cause(said, rows)

    def _of_cause(self, cause: Cause, rows: pd.DataFrame) -> Iterator[str]:
        for change in cause.changes[:1]:
            if change.where.startswith("values ") and not cause.slice:
                for said, frame in ((change.was, self.baseline), (change.now, rows)):
                    known = frame[cause.features[0]].dropna().to_numpy(np.float64)
                    # 0.01: hardly any row lies between an edge and the number that names it
                    yield from _differs(change.where, said, fraction_in_range(change.where, known), 0.01)

    def _of_finding(self, finding: Finding, rows: pd.DataFrame) -> Iterator[str]:
        for said, frame in ((finding.was, self.baseline), (finding.now, rows)):
            if finding.check == "score_constant" and finding.low is not None and finding.high is not None:
                inside = frame["score"].between(finding.low, finding.high)
                yield from _differs("score_constant", said, inside.mean(), 0.002)
            elif finding.check == "score_classes" and said is finding.now:
                yield from _differs("score_classes", said, frame["score"].isin([0, 1]).mean())
            elif finding.check == "score_out_of_range":
                yield from _differs("score_out_of_range", said, (~frame["score"].between(0, 1)).mean())
            elif finding.check == "missing":
                yield from _differs("missing", said, frame[finding.features[0]].isna().mean())
            elif finding.check == "out_of_range" and finding.low is not None and finding.high is not None:
                known = frame[finding.features[0]].dropna()
                above = known >= finding.high if finding.high_outside else known > finding.high
                yield from _differs("out_of_range", said, ((known < finding.low) | above).mean(), 0.001)


def contradictions(verdict: Verdict, window: Evaluation | None) -> Iterator[str]:
    """Yield what a verdict says against itself, or against the table of its window (None if it is of a period)."""
    advice = _advice(verdict)
    if verdict.state == "healthy" and advice in REPAIRS | {"send_outcomes", "send_more_outcomes", "label_more"}:
        yield f"healthy, and {advice}"
    if verdict.state in ("degraded", "at_risk") and advice in ("nothing_to_do", "ignore_drift"):
        yield f"{verdict.state}, and {advice}"
    if verdict.kind in ("data_fault", "output_fault", "service") and advice in REPAIRS:
        yield f"{advice} beside {verdict.kind}"
    if verdict.state == "degraded" and advice in ("repair_columns", "repair_data") and verdict.kind != "data_fault":
        yield f"{advice} beside {verdict.kind}"
    if bool(verdict.reason) != (verdict.state == "unknown"):
        yield f"{verdict.state} with the reason {verdict.reason!r}"
    if verdict.reason != "expired" and not _is_inside(verdict.since_earliest or 0, verdict.since, verdict.window_end):
        yield "since after the window that speaks"
    if not _is_inside(verdict.low, verdict.effect, verdict.high):
        yield "an effect outside its interval"
    first = verdict.reasons[0] if verdict.reasons else None
    if isinstance(first, facts.LevelOfScores):
        yield from _differs("effect", verdict.effect, first.predicted - first.actual)
    elif isinstance(first, facts.Moved):
        yield from _differs("effect", verdict.effect, first.change)
    if window is None:
        return
    if advice in ("send_more_outcomes", "label_more") and (window.coverage or 0.0) >= 0.999:
        yield f"{advice} at full coverage"
    if advice in ("send_outcomes", "send_outcomes_or_label") and window.outcome_rows:
        yield f"{advice}, although {window.outcome_rows} came"
    change = window.realized_changes.get(verdict.metric)
    if verdict.state == "degraded" and not verdict.slice and change is not None and change.state != "worse":
        yield f"degraded by {verdict.metric}, which is {change.state}"
    level = window.level
    if verdict.state == "healthy" and level is not None and level.state == "worse":
        yield "healthy with scores of another level"
    certain = {one.kind for one in verdict.certainty} & {"fault_certain", "finding_certain"}
    if certain and any(one.p_value > 0.001 for one in window.findings if one.severity == "critical"):
        yield "certain by a finding that chance explains"


def _is_inside(low: float | None, value: float | None, high: float | None) -> bool:
    """Return True if a value is inside its interval, or either is unknown."""
    return low is None or value is None or high is None or low - 1e-9 <= value <= high + 1e-9


def _advice(verdict: Verdict) -> str:
    """Return the kind of advice, behind "check the next window" or "check the baseline"."""
    advice = verdict.advice
    while isinstance(advice, facts.LookAgain | facts.CheckBaseline):
        advice = advice.then
    return "" if advice is None else advice.kind


def _facts(verdict: Verdict) -> Iterable[Fact]:
    reasons = [*verdict.reasons, *([] if verdict.cause is None else [verdict.cause])]
    return [one for reason in reasons for one in facts_within(reason)]


def _metric(name: str, rows: pd.DataFrame) -> float | None:
    """Return a metric of the rows with a valid score and an outcome; None for others."""
    known = rows[rows["score"].between(0, 1) & rows["label"].notna()]
    label, score = known["label"].to_numpy(np.float64), known["score"].to_numpy(np.float64)
    if len(known) < len(rows) or len(np.unique(label)) < 2:
        return None
    match name:
        case "log_loss":
            return float(log_loss(label, score))
        case "roc_auc":
            return float(roc_auc_score(label, score))
        case "brier":
            return float(((score - label) ** 2).mean())
        case "accuracy":
            return float(((score >= 0.5) == label).mean())
        case "mean_score" | "actual_rate":
            return float((score if name == "mean_score" else label).mean())
    return None


def _differs(name: str, said: float | None, recomputed: float | None, reach: float = 1e-9) -> Iterator[str]:
    """Yield a difference beyond a reach, and one in ten thousand for sums of many numbers."""
    if said is not None and recomputed is not None and abs(said - recomputed) > max(reach, 1e-3 * abs(recomputed)):
        yield f"{name}: said {said}, but {recomputed}"
