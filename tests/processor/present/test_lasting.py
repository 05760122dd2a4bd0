"""A shift that lasts is a line of the terminal, and what was not found is none."""

from __future__ import annotations

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import Evaluation, LastingDrift, LastingShift
from driftline_processor.core.windows.window import Window
from driftline_processor.present.sections.drift import lasting_sentences, what_lacks
from msgspec.structs import replace

from tests.support.facts import Facts, lacking


def test_what_was_found_is_told_the_surest_first_and_nothing_else() -> None:
    evaluation = Evaluation(ModelKey("churn", "1"), Window("1d", 1, 2), 9, True)
    assert lasting_sentences(evaluation, str) == []
    evaluation.lasting = LastingDrift(
        "digest",
        ("feature:age", "feature:plan", "score", "feature:city", "feature:new"),
        reason=("", "", "", "", "too_few_days"),
        measures=("level", "gold", "spread", "Rome"),
        shifts=(-0.314, 0.062, 0.2, 0.5),
        steps=(12, 1, 30, 30),
        recent=(0, 1, 0, 0),
        evidence=(4.7, 9.0, 5.0, 1.0),
        found={"feature:age": (7, 19), "feature:plan": (8, 19), "score": (7, 19)},
        began=(7, 9),
    )
    assert what_lacks(evaluation) == ""
    assert evaluation.lasting.columns["feature:city"] == LastingShift("not_found", "Rome", 0.5, 30, 7, 1.0)
    assert evaluation.lasting.columns["feature:new"].state == "inconclusive"
    assert lasting_sentences(evaluation, lambda time: f"day {time}") == [
        "lasting shift: over the 1 window from day 8 on, the fraction of gold in plan is 6.2 points higher",
        "lasting shift: over the 30 windows from day 7 on, the score spreads more",
        "lasting shift: over the 12 windows from day 7 on, age is 0.314 sd lower",
    ]


@pytest.mark.parametrize(("reason", "facts"), [("no_times", ("has no times",)), ("too_few_days", ("5 periods", "1d"))])
def test_where_the_reference_cannot_tell_that_is_said_once(reason: str, facts: Facts) -> None:
    evaluation = Evaluation(ModelKey("churn", "1"), Window("1d", 1, 2), 9, True)
    evaluation.lasting = LastingDrift("", ("feature:age", "score"), reason=(reason, reason))
    assert lasting_sentences(evaluation, str) == []
    assert lacking(what_lacks(evaluation), *facts) == []
    assert what_lacks(replace(evaluation, window=Window("", 1, 2))) == ""
