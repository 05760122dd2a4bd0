"""What is said of estimates beside the outcomes that came."""

from __future__ import annotations

from driftline_processor.core.evaluation import Estimate, Evaluation, MetricValue
from driftline_processor.present.sections.estimates import (
    contradictions,
    estimate_sentence,
    estimate_state,
    metrics_with_outcomes,
)
from msgspec.structs import replace

from tests.support.fake_view import flights

ESTIMATE = Estimate(0.9, 0.88, 0.92, 0.01, 0.87, 0.93, False, 900, "panes", "cbpe", 0.9)


def windows(*values: float | None, maturity: str = "mature") -> list[Evaluation]:
    """Return windows whose ROC AUC is estimated as .88 to .92, and realized within .06 of each value."""
    made = flights().windows["1d"][: len(values)]
    for one, value in zip(made, values, strict=True):
        one.estimated, one.realized = {"roc_auc": ESTIMATE}, {}
        one.maturity = maturity  # type: ignore[assignment]
        if value is not None:
            one.realized["roc_auc"] = MetricValue(value, 200, "rows", low=value - 0.06, high=value + 0.06)
    return made


def test_outcomes_outside_the_band_contradict_an_estimate() -> None:
    known = windows(0.9, 0.2, None)
    assert contradictions(known, known[-1]) == {
        "roc_auc": "outcomes contradict the estimate of ROC AUC: 0.2 was realized in the window of "
        "2 September 2013, where 0.88 to 0.92 was estimated"
    }


def test_outcomes_that_are_not_final_contradict_too_and_are_called_so() -> None:
    known = windows(0.2, maturity="awaiting_labels")
    (said,) = contradictions(known, known[-1]).values()
    assert "0.2, which is not final, was realized" in said


def test_a_newer_window_that_agrees_ends_the_contradiction() -> None:
    known = windows(0.2, 0.9)
    assert contradictions(known, known[-1]) == {}
    assert list(contradictions(known, known[0])) == ["roc_auc"]


def test_outcomes_without_an_interval_and_of_long_ago_contradict_nothing() -> None:
    known = windows(0.2)
    known[0].realized["roc_auc"] = replace(known[0].realized["roc_auc"], low=None, high=None)
    assert contradictions(known, known[0]) == {}
    known = windows(0.2, *[None] * 10)
    assert contradictions(known, known[-1]) == {}


def test_no_outcome_has_come_is_only_said_where_none_has() -> None:
    known = windows(None, 0.9)
    assert "no outcome" in estimate_sentence(known[0].estimated, came=metrics_with_outcomes(known[:1]))
    assert "not final" in estimate_sentence(known[0].estimated, came=metrics_with_outcomes(known))


def test_an_estimate_that_outcomes_contradict_is_not_said_to_be_within_its_bounds() -> None:
    assert estimate_state(ESTIMATE) == "within the bounds"
    assert estimate_state(ESTIMATE, contradicted=True) == "contradicted by outcomes"
