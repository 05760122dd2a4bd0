"""What the newest windows of a degraded model show, and what ends the degradation."""

from __future__ import annotations

from typing import Any

import pytest
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, ServiceLevel
from driftline_processor.core.windows.window import Window
from driftline_processor.present.sentences.verdict import verdict_evidence, verdict_headline, verdict_lines, verdict_now
from msgspec.structs import replace

from tests.support.unwrap import of_type
from tests.support.verdict_windows import (
    DAY,
    JULY,
    change,
    column,
    known,
    objective,
    right,
    value,
    verdict_of_model,
    window,
    wrong,
)

UNSURE = known(2, {"log_loss": change("inconclusive", 0.1, -0.3, 0.5)}, realized={"log_loss": value(0.6)})
FEW_ROWS = replace(UNSURE, outcome_rows=24)
"""A window with too few outcomes for a figure."""
YOUNG: dict[str, Any] = {"young": True, "maturity": "immature", "immature": "they take 3d"}
ENDS = "2 healthy windows in a row, or one clearly healthy one, end the degradation."
NULL_SCORES = replace(column(p=0.5), missing_was=0.0, missing_now=0.33)


def missed(day: int, number: float, state: str = "broken") -> Evaluation:
    rule = "availability >= 90 %"
    return right(day, objectives=(objective(state, "availability", number, rule=rule),))


def failing(day: int, rate: float) -> Evaluation:
    return window(day, service=ServiceLevel(1_000, 500, {}, {"error_rate": value(rate, rate - 0.03, rate + 0.03)}))


@pytest.mark.parametrize(
    ("windows", "now"),
    [
        ([wrong(0)], f"On 1 July 2013, its log loss was 0.69 (baseline 0.49); {ENDS}"),
        ([wrong(0), wrong(1)], f"On 2 July 2013, its log loss was 0.69 (baseline 0.49); {ENDS}"),
        (
            [wrong(0), wrong(1), right(2)],
            "On 3 July 2013, its log loss was 0.5 (baseline 0.49), healthy again; "
            "one more healthy window ends the degradation.",
        ),
        ([wrong(0), wrong(1), UNSURE], f"On 3 July 2013, its log loss was 0.6 (baseline 0.49); {ENDS}"),
        (
            [wrong(0), wrong(1), FEW_ROWS],
            f"On 2 July 2013, its log loss was 0.69 (baseline 0.49); 1 newer window cannot tell; {ENDS}",
        ),
        (
            [wrong(0), wrong(1), window(2, **YOUNG), window(3, **YOUNG)],
            f"On 2 July 2013, its log loss was 0.69 (baseline 0.49); 2 newer windows cannot tell; {ENDS}",
        ),
        (
            [wrong(0), wrong(1), right(2), window(3, rows=0)],
            "On 3 July 2013, its log loss was 0.5 (baseline 0.49), healthy again; "
            "one more healthy window ends the degradation.",
        ),
        (
            [right(0), missed(1, 0.85), missed(2, 0.8)],
            f"On 3 July 2013, its availability was 80.0 % ('availability >= 90 %'); {ENDS}",
        ),
        (
            [right(0), missed(1, 0.85), missed(2, 0.8), missed(3, 0.95, "met")],
            "On 4 July 2013, its availability was 95.00 % ('availability >= 90 %'), healthy again; "
            "one more healthy window ends the degradation.",
        ),
        (
            [window(0), failing(1, 0.5), failing(2, 0.01)],
            "On 3 July 2013, its call error rate was 1.00 %, healthy again; "
            "one more healthy window ends the degradation.",
        ),
        (
            [right(0), window(1, score=NULL_SCORES), window(2, score=NULL_SCORES)],
            f"On 3 July 2013, the newest window still shows it; {ENDS}",
        ),
        (
            [right(0), window(1, score=NULL_SCORES), window(2, score=column("ok", ""))],
            "On 3 July 2013, the newest window looks healthy again; one more healthy window ends the degradation.",
        ),
    ],
)
def test_a_degraded_model_has_what_its_newest_window_shows_and_what_ends_it(
    windows: list[Evaluation], now: str
) -> None:
    verdict = verdict_of_model(windows)
    assert verdict.state == "degraded"
    assert verdict_now(verdict) == now
    assert ("Now", now) in verdict_lines(verdict)


@pytest.mark.parametrize("windows", [[right(0)], [window(0)], [right(0), wrong(1, stands_out=True)]])
def test_other_states_have_no_such_line(windows: list[Evaluation]) -> None:
    assert verdict_of_model(windows).now is None


def test_figures_that_newer_rows_do_not_show_have_their_dates() -> None:
    verdict = verdict_of_model([wrong(0), wrong(1), right(2)])
    assert verdict_headline(verdict) == "Degraded since 1 July 2013: log loss up 0.2 to 0.69 on 2 July 2013"
    evidence = "its log loss rose by 0.2 (0.02 to 0.38) to 0.69."
    assert verdict_evidence(verdict) == f"On 2 July 2013, {evidence}"
    assert verdict_evidence(verdict_of_model([wrong(0), wrong(1), FEW_ROWS])) == evidence.capitalize()
    fine = verdict_evidence(verdict_of_model([right(0), right(1)]))
    assert fine == "On 2 July 2013, its log loss of 0.5 is within 0.05 of the baseline's 0.49."


def test_now_is_the_newest_shorter_window_that_tells() -> None:
    def week(at: int, name: str = "1w") -> Evaluation:
        return replace(wrong(), window=Window(name, JULY + at * DAY, JULY + (at + 7) * DAY))

    assert of_type(verdict_of_model([week(0), week(7), wrong(14)]).now, facts.Now).start == JULY + 14 * DAY
    few = replace(FEW_ROWS, window=Window("1d", JULY + 15 * DAY, JULY + 16 * DAY))
    now = of_type(verdict_of_model([week(0), week(7), wrong(14), few]).now, facts.Now)
    assert (now.start, now.waiting) == (JULY + 14 * DAY, 1)


def test_rows_without_a_time_leave_it_to_newer_rows() -> None:
    rows = replace(wrong(0), window=Window("", 0, 0))
    now = "In these rows, its log loss was 0.69 (baseline 0.49); newer rows show whether it lasts."
    assert verdict_now(verdict_of_model([rows])) == now
    again = "In the newest of 3 windows in a row that show it, its log loss was 0.69 (baseline 0.49)"
    assert verdict_now(verdict_of_model([rows] * 3)) == f"{again}; newer rows show whether it lasts."


def test_what_only_many_days_show_together_ends_by_many_days() -> None:
    days = [
        known(
            at, {"log_loss": change("inconclusive", 0.06, -0.01, 0.13, error=0.03)}, realized={"log_loss": value(0.55)}
        )
        for at in range(30)
    ]
    days = [replace(day, reference={"log_loss": value(0.49, 0.488, 0.492)}) for day in days]
    verdict = verdict_of_model(days)
    now = of_type(verdict.now, facts.Now)
    assert (now.left, now.start) == (0, JULY + 29 * DAY)
    assert verdict_now(verdict) == (
        "On 30 July 2013, its log loss was 0.55 (baseline 0.49); "
        "the degradation ends when the newest days together are significantly better."
    )
