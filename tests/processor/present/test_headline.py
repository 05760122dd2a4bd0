"""Headlines: state, begin and size in about a dozen words, and names exactly as they were written."""

from __future__ import annotations

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Finding, LaterFinding, Verdict
from driftline_processor.core.windows.window import DAY
from driftline_processor.present.sentences import clause
from driftline_processor.present.sentences.findings import finding_sentence
from driftline_processor.present.sentences.verdict import (
    verdict_action,
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


def test_a_state_of_several_days_is_not_over_at_the_end_of_the_days_that_show_it() -> None:
    of_days = {"of_window": True, "window_start": JULY, "window_end": JULY + 12 * DAY}
    verdict = replace(Verdict("healthy", JULY), **of_days)
    assert verdict_headline(verdict) == "Healthy since 1 July 2013, shown up to 12 July 2013"
    assert verdict_headline(replace(verdict, version="2")).startswith("Version 2 has been healthy since 1 July")
    assert verdict_headline(replace(verdict, window_end=JULY + DAY)) == "Healthy on 1 July 2013"


def test_a_column_that_was_complete_before_it_never_arrived_is_not_said_to_have_missed_no_per_cent() -> None:
    missing = Finding("missing", ("age",), "critical", 0.0, 1.0, 1e-9)
    assert finding_sentence(missing) == "age never arrived (before, no value was missing)"
    assert finding_sentence(replace(missing, was=0.02)).endswith("(before, 2 % of its values were missing)")


def test_an_objective_that_a_degraded_model_misses_has_the_window_of_its_value() -> None:
    missed = facts.ObjectiveMissed("availability", 0.955, 0.93, 0.97, "availability >= 99 %", of_change=False)
    period = {"since": JULY, "window_start": JULY + 2 * DAY, "window_end": JULY + 3 * DAY}
    verdict = replace(Verdict("degraded", reasons=(missed,)), **period)
    assert verdict_headline(verdict).endswith("availability 95.50 % misses 'availability >= 99 %' on 3 July 2013")
    for sentence in (verdict_evidence(verdict), verdict_sentence(verdict)):
        assert "misses the objective 'availability >= 99 %' on 3 July 2013" in sentence
    rolling = replace(verdict, reasons=(replace(missed, rolling=True),))
    assert "on 3 July" not in verdict_headline(rolling) + verdict_evidence(rolling)


def test_a_model_at_risk_has_no_line_that_outcomes_are_awaited() -> None:
    awaited = facts.AndAlso(reason=facts.OutcomesMayCome())
    moved = facts.ColumnMoved(name="age")
    assert verdict_evidence(Verdict("at_risk", JULY, reasons=(moved, awaited))) == "age drifted."
    assert verdict_evidence(Verdict("at_risk", JULY, cause=moved, reasons=(moved, awaited))) == ""
    assert verdict_evidence(Verdict("unknown", JULY, reasons=(facts.OutcomesMayCome(),))) != ""


def test_one_retraining_is_enough() -> None:
    def retrain(time: int) -> facts.Retrain:
        return facts.Retrain(facts.Since(time, "UTC", of_days=True))

    loss = facts.FurtherLoss("mae", 1.94, 1.8, 2.1)
    later = LaterFinding("joined", loss, JULY + DAY, None, retrain(JULY + DAY), "loss")
    verdict = Verdict("degraded", JULY, advice=retrain(JULY), later=(later,))
    assert verdict_action(verdict) == (
        "Retrain the model on data that include the outcomes since 2 July 2013, and build a new baseline."
    )
    repaired = replace(later, advice=facts.RepairColumns(loss, ("age",)))
    assert verdict_action(replace(verdict, later=(repaired,))).startswith("1. Retrain the model on data")
