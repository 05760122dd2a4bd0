"""Headlines: state, begin and size in about a dozen words, and names exactly as they were written."""

from __future__ import annotations

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Verdict
from driftline_processor.core.windows.window import DAY
from driftline_processor.present.sentences import clause
from driftline_processor.present.sentences.verdict import (
    verdict_cause,
    verdict_evidence,
    verdict_headline,
    verdict_lines,
    verdict_sentence,
    verdict_size,
)
from driftline_processor.present.wording import count_words
from msgspec.structs import replace

from tests.golden.sentences import verdicts

JULY = 1_372_636_800 * 10**9
"""1 July 2013, unix nanoseconds."""


def test_a_headline_has_about_a_dozen_words() -> None:
    plain = [one for one in verdicts() if one.version is None and one.environment is None and not one.slice]
    counts = sorted(count_words(verdict_headline(one)) for one in plain)
    assert counts[len(counts) // 2] <= 12
    assert counts[-1] <= 16


def test_a_headline_has_no_interval() -> None:
    assert [one for one in map(verdict_headline, verdicts()) if "(" in one or ";" in one] == []


def test_what_a_line_says_no_other_line_repeats() -> None:
    for verdict in verdicts():
        parts = [part.strip(". ").lower() for part in verdict_evidence(verdict).split("; ") if part]
        assert not [part for part in parts if part and part in verdict_cause(verdict).lower()]


def test_a_line_that_is_unknown_is_left_out() -> None:
    healthy = next(one for one in verdicts() if one.state == "healthy" and len(one.reasons) == 1)
    assert [title for title, _ in verdict_lines(healthy)] == ["Evidence", "Do", "Confidence"]


def test_a_name_at_the_beginning_stays_as_it_was_written() -> None:
    at_risk = next(one for one in verdicts() if one.state == "at_risk")
    moved = replace(at_risk, reasons=(facts.ColumnMoved(name="f001"), facts.AndAlso(reason=facts.NoOutcomes())))
    assert verdict_size(moved) == "f001 drifted"
    assert verdict_evidence(moved) == "f001 drifted; no outcome is known."


def test_the_headline_has_the_range_of_the_begin_that_the_sentence_has() -> None:
    reasons = (facts.NoInputDrifts(),)
    verdict = Verdict("degraded", JULY + 3 * DAY, since_earliest=JULY + DAY, reasons=reasons)
    assert verdict_headline(verdict).startswith("Degraded since between 2 and 4 July 2013: ")
    assert verdict_sentence(verdict).startswith("The model has been degraded since between 2 and 4 July 2013: ")


def test_correlations_of_one_feature_are_not_between_it_and_nothing() -> None:
    one, two = facts.RelationChanged(features=("pay",)), facts.RelationChanged(features=("age", "pay"))
    assert clause(one) == "the correlations between the features changed, most strongly those of pay"
    assert clause(two).endswith(", most strongly between age and pay")


def test_a_period_that_ends_at_midnight_is_known_up_to_its_last_day() -> None:
    end = JULY + 2 * DAY
    assert clause(facts.KnownUntil(end=end, timezone="UTC")).startswith("That is known up to 2 July 2013; ")
    assert "up to 2 July 2013, 12:00," in clause(facts.HealthyUntil(end=end - DAY // 2, timezone="UTC"))
