"""A shift that lasts is a line of the terminal, and what was not found is none."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import Evaluation, LastingDrift, LastingShift
from driftline_processor.core.windows.window import Window
from driftline_processor.present.lasting import lasting_sentences


def test_what_was_found_is_told_the_surest_first_and_nothing_else() -> None:
    evaluation = Evaluation(ModelKey("churn", "1"), Window("1d", 1, 2), 9, True)
    assert lasting_sentences(evaluation, str) == []
    targets = {
        "feature:age": LastingShift("drift", "level", -0.314, 12, 7, 4.7, 19),
        "feature:plan": LastingShift("drift", "gold", 0.062, 1, 8, 9.0, 19),
        "score": LastingShift("drift", "spread", 0.2, 30, 7, 5.0, 19),
        "feature:city": LastingShift("not_found", "Rome", 0.5, 30, 7, 1.0),
    }
    none = np.zeros((0, 2))
    evaluation.lasting = LastingDrift(targets, (), (), np.zeros(0), np.zeros((0, 5)), 0.0, 1, none)
    assert lasting_sentences(evaluation, lambda time: f"day {time}") == [
        "lasting shift: over the 1 window from day 8 on, the share of gold in plan is 6.2 points higher",
        "lasting shift: over the 30 windows from day 7 on, the score spreads more",
        "lasting shift: over the 12 windows from day 7 on, age is 0.314 sd lower",
    ]
