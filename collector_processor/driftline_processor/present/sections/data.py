"""Sections on the data: faults, expectations, what a window is compared with, and its outcomes."""

from __future__ import annotations

from driftline_processor.core.evaluation import Evaluation, Expected, Finding, Judgement
from driftline_processor.core.quality.judge import CHECKS
from driftline_processor.present.names import first_names
from driftline_processor.present.numbers import many
from driftline_processor.present.sections.performance import early_outcomes
from driftline_processor.present.sections.section import Cell, Column, Line, Row, Section, Table, Tone, first_rows, row
from driftline_processor.present.sentences.expectations import expectation_sentence
from driftline_processor.present.sentences.findings import finding_sentence
from driftline_processor.present.sentences.outcomes import (
    immature_words,
    lateness,
    review_advice,
)
from driftline_processor.present.sentences.references import compared_words
from driftline_processor.present.states import state_word
from driftline_processor.present.wording import short

_SEVERITIES: dict[str, Tone] = {"critical": "bad", "major": "alert", "minor": "warn"}
_EXPECTATIONS: dict[Judgement, Tone] = {"broken": "alert", "inconclusive": "warn", "met": ""}


def findings(evaluation: Evaluation) -> Section:
    """Lay out the faults of the data, the most severe first."""
    columns = (Column("severity"), Column("check", surfaces="page"), Column("finding", "words", term="finding"))
    rows = first_rows(map(_finding, evaluation.findings), 5)
    return Section("quality", "Data quality", (Table(columns, rows),) if rows else ())


def _finding(finding: Finding) -> Row:
    severity = Cell(finding.severity, _SEVERITIES[finding.severity], badge=f"severity-{finding.severity}")
    check = CHECKS[finding.check].title if finding.check in CHECKS else finding.check
    anchor = ("finding", f"{finding.check} {' '.join(finding.features)}")
    return row(severity, check, finding_sentence(finding), anchor=anchor)


def expectations(evaluation: Evaluation) -> Section:
    """Lay out the violated expectations, and the number of the others."""
    unmet = [expected for expected in evaluation.expected if expected.state != "met"]
    met = len(evaluation.expected) - len(unmet)
    rows = first_rows(map(_expectation, sorted(unmet, key=lambda expected: expected.state)), 10)
    parts: list[Line | Table] = [Table(EXPECTED_COLUMNS, rows)] if rows else []
    if met:
        parts.append(Line(f"{many(met, 'expectation')} {'is' if met == 1 else 'are'} met.", "quiet"))
    return Section("expectations", "Expectations", tuple(parts), "expectation")


def met_expectations(evaluation: Evaluation) -> Table:
    """Return the expectations that are met, as a table."""
    return Table(
        EXPECTED_COLUMNS,
        tuple(_expectation(expectation) for expectation in evaluation.expected if expectation.state == "met"),
    )


EXPECTED_COLUMNS = (
    Column("expected"),
    Column("feature", surfaces="page"),
    Column("rule"),
    Column("measured", "words"),
)


def _expectation(expected: Expected) -> Row:
    state = Cell(state_word(expected.state), _EXPECTATIONS[expected.state])
    return row(state, short(expected.feature, 60) or "rows", expected.rule, expectation_sentence(expected))


def reference(evaluation: Evaluation, *, has_all_names: bool = False) -> Section:
    """Lay out what a window is compared with, and the features that only one side has: ten or all of their names."""
    most = len(evaluation.missing_features) + len(evaluation.new_features) if has_all_names else 10
    lines = []
    if evaluation.compared:
        lines.append(Line(f"Compared with {compared_words(evaluation.compared)}.", "quiet", "compared"))
    if evaluation.baseline_version not in (None, evaluation.key.version):
        version = f"version {short(evaluation.baseline_version)}" if evaluation.baseline_version else "any version"
        lines.append(Line(f"Compared with the baseline of {version}.", "quiet", surfaces="terminal"))
    if evaluation.missing_features:
        missing = first_names(evaluation.missing_features, most)
        lines.append(Line(f"Missing in this window, but in the baseline: {missing}.", "bad", "missing-features"))
    if evaluation.new_features:
        new = first_names(evaluation.new_features, most)
        lines.append(Line(f"New in this window, not in the baseline: {new}.", "quiet", "new-features"))
    return Section("reference", "Reference", tuple(lines))


def outcomes(evaluation: Evaluation, *, is_final: bool = True) -> Section:
    """Lay out what is known about the outcomes of a window: whether all count, which are absent, and how late they are.

    ``is_final``: no more outcomes can arrive.
    """
    lines = []
    if evaluation.immature:
        text = f"The performance of this window is not final: {immature_words(evaluation)}."
        lines.append(Line(text, "quiet", surfaces="terminal" if evaluation.young or not evaluation.closed else ""))
    if evaluation.unreviewed:
        lines.append(Line(review_advice(evaluation), "bad", "unreviewed"))
    if late := lateness(evaluation):
        is_broken = evaluation.label_sla is not None and evaluation.label_sla.state == "broken"
        text = late if is_final else f"So far: {late}"
        lines.append(Line(text, "bad" if is_broken else "quiet", "lateness", "page explain"))
    if evaluation.fast_labels is not None and evaluation.fast_labels.differ:
        lines.append(early_outcomes(evaluation.fast_labels, "page"))
    return Section("outcomes", "Outcomes", tuple(lines))
