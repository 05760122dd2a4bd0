"""Versions and environments of a model folded to one verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import Verdict, VerdictState
from driftline_processor.core.verdict import ModelPart, fold_verdicts

STATES: tuple[VerdictState, ...] = ("wrong", "silent", "behind", "at_risk", "unknown", "right")


def part(state: VerdictState, version: str = "1", environment: str = "", rows: int = 100, days: int = 0) -> ModelPart:
    sentence = {
        "unknown": "Whether the model is right is unknown: no outcome is known.",
        "behind": "Whether the model is right is not known: 1 window waits.",
    }.get(state, f"The model has been {state}: so it is.")
    verdict = Verdict(state, None, "", None, None, None, "", "", "", sentence, "")
    return ModelPart(ModelKey("late", version, environment), verdict, rows, days, days + 1)


def folded(*parts: ModelPart) -> Verdict:
    found = fold_verdicts(parts)
    assert found is not None
    return found


def test_one_part_is_the_model() -> None:
    assert folded(part("wrong")) == part("wrong").verdict
    assert fold_verdicts([]) is None


@pytest.mark.parametrize("state", STATES)
def test_what_is_wrong_in_one_version_is_wrong(state: VerdictState) -> None:
    told = folded(part(state, "1"), part("wrong", "2", rows=1))
    assert told.state == "wrong"
    assert state in ("wrong", "silent") or told.sentence == "Version 2 has been wrong: so it is."


def test_the_part_with_most_rows_says_whether_the_model_is_right_or_unknown() -> None:
    assert folded(part("right", "1", rows=900), part("unknown", "2", rows=10)).state == "right"
    assert folded(part("right", "1", rows=10), part("unknown", "2", rows=900)).state == "unknown"
    told = folded(part("right", "1", rows=10), part("unknown", "2", rows=900))
    assert told.sentence == "Whether version 2 is right is unknown: no outcome is known."


def test_a_version_whose_traffic_another_took_over_does_not_count() -> None:
    assert folded(part("wrong", "1", days=0), part("right", "2", days=5)).state == "right"
    assert folded(part("silent", "1"), part("right", "2")).state == "right"
    assert folded(part("silent", "1"), part("silent", "2")).state == "silent"


def test_a_shadow_does_not_count_beside_others() -> None:
    shadow = replace(part("wrong", "2"), answers=False)
    assert folded(part("right", "1"), shadow).state == "right"
    assert folded(shadow).state == "wrong"


def test_environments_are_named_where_there_are_several() -> None:
    told = folded(part("right", environment="prod"), part("wrong", environment="staging"))
    assert told.sentence == "The model in staging has been wrong: so it is."
    both = folded(part("right", "1", "prod"), part("wrong", "2", "staging"))
    assert both.sentence == "Version 2 in staging has been wrong: so it is."
    silent = folded(part("silent", environment="prod"), part("right", environment="staging"))
    assert silent.state == "silent"
