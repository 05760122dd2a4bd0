"""How far groups are apart in words, and what it takes to be sure of that."""

from __future__ import annotations

import re

import pytest
from driftline_processor.core.evaluation import Fairness, FairnessCriterion, GroupRate, GroupRates
from driftline_processor.present.sections.fairness import apart_sentence


def groups(rows: float) -> tuple[GroupRates, ...]:
    return tuple(
        GroupRates(name, 500, {"true_positive_rate": GroupRate(0.9, known), "selection_rate": GroupRate(0.5, known)})
        for name, known in (("M", 400.0), ("F", rows))
    )


def said(low: float | None, high: float | None, value: float | None = 0.15, rows: float = 31) -> str:
    one = FairnessCriterion("equal_opportunity", "labelled rows", "inconclusive", value, 0.8, 0.1, (), low, high)
    return apart_sentence(Fairness("gender", "", None, None, groups(rows), (one,)), one)


def test_a_small_group_cannot_tell_and_says_which_gap_would() -> None:
    reached, unreachable = said(0.02, 0.45), said(-0.8, None)
    for words in (reached, unreachable):
        assert "gender=F has 31 rows for its true positive rate" in words
    assert re.findall(r"\d+", reached)[:5] == ["15", "2", "45", "10", "23"]
    assert re.findall(r"-?\d+", unreachable)[:4] == ["15", "-80", "10", "31"]


@pytest.mark.parametrize(("low", "high", "value"), [(0.12, 0.3, 0.2), (0.0, 0.09, 0.04)])
def test_an_interval_on_one_side_of_the_limit_tells(low: float, high: float, value: float) -> None:
    assert said(low, high, value) == f"{100 * value:g} points ({100 * low:g} to {100 * high:g})"


def test_groups_without_rows_say_nothing_but_who_lacks_them() -> None:
    assert said(None, None, None, 0) == "inconclusive: gender=F has 0 rows for its true positive rate"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.5, 0.7, "0.60 times as high (0.50 to 0.70)"),
        (0.85, 0.99, "0.60 times as high (0.85 to 0.99)"),
        (
            *(0.4, 0.9),
            "0.60 times as high (0.40 to 0.90); inconclusive whether it is less than 0.80: only 0.53 times or less ",
        ),
    ],
)
def test_a_ratio_is_judged_by_its_own_limit(low: float, high: float, words: str) -> None:
    one = FairnessCriterion("disparate_impact", "predictions", "inconclusive", 0.1, 0.6, 0.8, (), low, high)
    assert apart_sentence(Fairness("gender", "", None, None, groups(31), (one,)), one).startswith(words)
