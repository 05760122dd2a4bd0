"""What a healthy model misses, and what is to be done about it."""

from __future__ import annotations

from typing import Any

import pytest
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, ObjectiveState, SlaResult
from driftline_processor.core.fact import Fact
from driftline_processor.present.sentences.verdict import verdict_action, verdict_evidence, verdict_headline

from tests.support.unwrap import of_type
from tests.support.verdict_windows import DAY, JULY, objective, right, verdict_of_model

RULE = "availability >= 90 %"
WEEK: dict[str, Any] = {"length": 7, "name": "1w"}


def calls(state: str, number: float = 0.88) -> tuple[ObjectiveState, ...]:
    return (objective(state, "availability", number, rule=RULE),)


def late(state: str) -> SlaResult:
    return SlaResult(state, 7 * DAY, 0.95, 0.5, 0.6, 500)  # type: ignore[arg-type]


BROKEN, MET, OPEN = (right(4, objectives=calls(state)) for state in ("broken", "met", "inconclusive"))


def later(state: str, day: int = 5) -> Evaluation:
    return right(day, objectives=calls(state, 0.95))


@pytest.mark.parametrize(
    ("windows", "day"),
    [
        ([right(3), BROKEN], 4),
        ([right(3), BROKEN, later("inconclusive")], 4),
        ([right(3), BROKEN, later("inconclusive"), later("inconclusive", 6)], 4),
        ([right(3), BROKEN, later("met")], None),
        ([right(3), BROKEN, later("inconclusive"), later("met", 6)], None),
        ([right(3), BROKEN, right(5)], None),  # the objective is no longer configured
        ([right(3), MET, later("inconclusive")], None),
        ([right(3), OPEN], None),
        ([right(0, **WEEK), right(7, objectives=calls("broken"), **WEEK), right(13), right(14)], 7),
        ([right(3, label_sla=late("met")), right(4, label_sla=late("broken"))], 4),
        ([right(3, label_sla=late("broken")), right(4, label_sla=late("inconclusive"))], 3),
        ([right(3, label_sla=late("broken")), right(4, label_sla=late("met"))], None),
    ],
)
def test_what_is_missed_lasts_until_it_is_met(windows: list[Evaluation], day: int | None) -> None:
    verdict = verdict_of_model(windows)
    assert verdict.state == "healthy"
    if day is None:
        assert verdict.but is None
        assert verdict.advice == facts.NothingToDo()
    else:
        assert of_type(verdict.but, facts.BrokenInNewest).start == JULY + day * DAY
        assert not isinstance(verdict.advice, facts.NoStep)


def test_late_outcomes_are_in_the_headline_of_a_healthy_model_and_in_what_to_do() -> None:
    verdict = verdict_of_model([right(3), right(4, label_sla=late("broken"))])
    assert verdict_headline(verdict) == (
        "Healthy since 4 July 2013: log loss 0.5, baseline 0.49, "
        "but at most 60 % of the outcomes in time, 95 % agreed, on 5 July 2013"
    )
    assert verdict_evidence(verdict).endswith(
        "; but on 5 July 2013, at most 60 % of the outcomes arrived in time, but the agreed minimum is 95 %."
    )
    assert verdict_action(verdict) == "Check why its outcomes are late, or change the agreed delay (label_sla)."


def overdue(metric: str = "precision", needed: int | None = 4_500, reason: str = "") -> tuple[ObjectiveState, ...]:
    state: dict[str, Any] = {"inconclusive_windows": 7, "alert_after": 7, "needed": needed, "reason": reason}
    return (objective("inconclusive", metric, **state),)


@pytest.mark.parametrize(
    ("objectives", "advice"),
    [
        (overdue(), facts.LabelMore(500, facts.Needed(4_500, "precision", "precision >= 0.9"))),
        (
            overdue(needed=9_000),
            facts.EvaluateLongerWindow("too_few_rows", facts.Needed(9_000, "precision", "precision >= 0.9"), 5_000),
        ),
        (overdue(reason="too_few_days"), facts.EvaluateLongerWindow("too_few_days", None, None)),
        (overdue("availability"), facts.EvaluateLongerWindow("too_few_days", None, None)),
        (overdue(needed=None), facts.SendMoreOutcomes()),
        ((objective("inconclusive", needed=4_500),), facts.NothingToDo()),
    ],
)
def test_a_healthy_model_has_how_an_objective_that_is_overdue_becomes_conclusive(
    objectives: tuple[ObjectiveState, ...], advice: Fact
) -> None:
    verdict = verdict_of_model([right(3), right(4, objectives=objectives)])
    assert (verdict.state, verdict.but, verdict.advice) == ("healthy", None, advice)


def test_a_missed_objective_comes_before_one_that_is_overdue() -> None:
    verdict = verdict_of_model([right(3), right(4, objectives=(*overdue(), *calls("broken")))])
    assert of_type(of_type(verdict.but, facts.BrokenInNewest).shown, facts.ObjectiveMissed).rule == RULE
