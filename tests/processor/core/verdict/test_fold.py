"""Versions and environments of a model folded to one verdict."""

from __future__ import annotations

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import Verdict, VerdictState
from driftline_processor.core.verdict.model import ModelPart, fold_verdicts
from msgspec.structs import replace

STATES: tuple[VerdictState, ...] = ("degraded", "no_data", "lagging", "at_risk", "unknown", "healthy")


def part(state: VerdictState, version: str = "1", environment: str = "", rows: int = 100, days: int = 0) -> ModelPart:
    return ModelPart(ModelKey("late", version, environment), Verdict(state), rows, days, days + 1)


def folded(*parts: ModelPart) -> Verdict:
    found = fold_verdicts(parts)
    assert found is not None
    return found


def test_one_part_is_the_model() -> None:
    assert folded(part("degraded")) == part("degraded").verdict
    assert fold_verdicts([]) is None


@pytest.mark.parametrize("state", STATES)
def test_what_is_wrong_in_one_version_is_wrong(state: VerdictState) -> None:
    told = folded(part(state, "1"), part("degraded", "2", rows=1))
    assert told.state == "degraded"
    assert state in ("degraded", "no_data") or told.version == "2"


def test_the_part_with_most_rows_says_whether_the_model_is_right_or_unknown() -> None:
    assert folded(part("healthy", "1", rows=900), part("unknown", "2", rows=10)).state == "healthy"
    assert folded(part("healthy", "1", rows=10), part("unknown", "2", rows=900)).state == "unknown"
    told = folded(part("healthy", "1", rows=10), part("unknown", "2", rows=900))
    assert (told.state, told.version, told.environment) == ("unknown", "2", None)


def test_a_version_whose_traffic_another_took_over_does_not_count() -> None:
    assert folded(part("degraded", "1", days=0), part("healthy", "2", days=5)).state == "healthy"
    assert folded(part("no_data", "1"), part("healthy", "2")).state == "healthy"
    assert folded(part("no_data", "1"), part("no_data", "2")).state == "no_data"


def test_a_shadow_does_not_count_beside_others() -> None:
    shadow = replace(part("degraded", "2"), answers=False)
    assert folded(part("healthy", "1"), shadow).state == "healthy"
    assert folded(shadow).state == "degraded"


def test_environments_are_named_where_there_are_several() -> None:
    told = folded(part("healthy", environment="prod"), part("degraded", environment="staging"))
    assert (told.version, told.environment) == (None, "staging")
    both = folded(part("healthy", "1", "prod"), part("degraded", "2", "staging"))
    assert (both.version, both.environment) == ("2", "staging")
    silent = folded(part("no_data", environment="prod"), part("healthy", environment="staging"))
    assert silent.state == "no_data"
