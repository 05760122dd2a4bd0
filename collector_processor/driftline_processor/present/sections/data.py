"""Sections on the data: faults and expectations."""

from __future__ import annotations

from driftline_processor.core.evaluation import Evaluation, Expected, Finding, Judgement
from driftline_processor.core.quality.judge import CHECKS
from driftline_processor.present.numbers import many
from driftline_processor.present.sections.section import Cell, Column, Line, Row, Section, Table, Tone, first_rows, row
from driftline_processor.present.sentences.expectations import expectation_sentence
from driftline_processor.present.sentences.findings import finding_sentence
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
