"""What began after a degradation: it is never the cause, joins it if the loss rose with it, and is harmless else."""

from __future__ import annotations

from typing import Any

import pytest
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, Finding, LaterFinding, Verdict
from driftline_processor.core.windows.window import Window
from driftline_processor.present.sentences.verdict import (
    verdict_action,
    verdict_cause,
    verdict_later,
)
from msgspec.structs import replace

from tests.support.loss_days import days as days_of_losses
from tests.support.verdict_windows import DAY, JULY, MISSING, change, known, right, value, verdict_of_model, window

RECODED = Finding("recoded", ("plan",), "critical", 0.0, 1.0, 1e-12)
RANGE = Finding("out_of_range", ("income",), "major", 0.0, 0.2, 1e-12)
UNIT = Finding("unit_change", ("income",), "critical", 0.0, 1.0, 1e-12)
CONSTANT = Finding("score_constant", ("score",), "critical", 0.01, 1.0, 1e-12)


def bad(day: int, loss: float = 0.7, **more: Any) -> Evaluation:
    """Return a window with a loss, 0.5 in the baseline."""
    low, high = loss - 0.03, loss + 0.03
    changes = {"log_loss": change("worse", loss - 0.5, low - 0.5, high - 0.5)}
    return known(day, changes, realized={"log_loss": value(loss, low, high)}, **more)


def days(*windows: dict[str, Any], since: int = 3) -> list[Evaluation]:
    """Return healthy windows, and from ``since`` on bad ones."""
    return [*(right(day) for day in range(since)), *(bad(since + at, **more) for at, more in enumerate(windows))]


def later(windows: list[Evaluation]) -> list[tuple[str, str, int]]:
    """Return the role, the subject and the first day of what began after a degradation."""
    return [(one.role, one.subject, _day(one)) for one in verdict_of_model(windows).later]


def _day(found: LaterFinding) -> int:
    assert found.since is not None
    return (found.since - JULY) // DAY


def test_a_fault_that_begins_with_the_loss_is_its_cause() -> None:
    verdict = verdict_of_model(days(*[{"findings": [MISSING]}] * 5))
    assert (verdict.cause, verdict.kind, verdict.later) == (MISSING, "data_fault", ())


@pytest.mark.parametrize("gap", [1, 2, 5, 20, 40])
@pytest.mark.parametrize("loss", [0.7, 0.9])
def test_a_fault_that_begins_later_never_becomes_the_cause(gap: int, loss: float) -> None:
    windows = days(*[{}] * gap, *[{"findings": [RECODED], "loss": loss}] * 6)
    verdict = verdict_of_model(windows)
    assert (verdict.since, verdict.cause, verdict.kind) == (JULY + 3 * DAY, None, "")
    assert later(windows) == [("joined" if loss > 0.7 else "harmless", "recoded:plan", 3 + gap)]


def test_a_later_fault_leaves_the_first_one_the_cause_and_has_its_own_line_and_advice() -> None:
    verdict = verdict_of_model(
        days(*[{"findings": [MISSING]}] * 5, *[{"findings": [MISSING, RECODED], "loss": 0.95}] * 8)
    )
    assert (verdict.cause, verdict.kind) == (MISSING, "data_fault")
    assert verdict_later(verdict) == (
        "100 % of values in plan are new texts, as frequent as the old values (encoded differently?) "
        "since 9 July 2013, which made it worse."
    )
    action = verdict_action(verdict)
    assert action.startswith("1. Fix age at its source")
    assert action.endswith("2. Fix plan at its source, then evaluate again.")


def test_a_loss_that_rises_again_without_a_finding_has_its_own_begin() -> None:
    windows = days(*[{}] * 6, *[{"loss": 0.9}] * 6)
    assert later(windows) == [("joined", "loss", 9)]
    sentence = verdict_later(verdict_of_model(windows))
    assert sentence.startswith("Its log loss rose by another 0.2 (")
    assert sentence.endswith(" since 10 July 2013.")


def test_a_rise_that_a_fault_comes_with_is_not_told_twice() -> None:
    windows = days(*[{}] * 6, *[{"loss": 0.9, "findings": [RECODED]}] * 6)
    assert later(windows) == [("joined", "recoded:plan", 9)]


def test_a_faulty_output_joins_whatever_the_loss() -> None:
    windows = days(*[{}] * 4, *[{"findings": [CONSTANT]}] * 4)
    assert later(windows) == [("joined", "output:score_constant", 7)]


def test_values_out_of_their_range_join_only_with_the_loss() -> None:
    assert later(days(*[{}] * 4, *[{"findings": [RANGE]}] * 4)) == []
    assert later(days(*[{}] * 4, *[{"findings": [RANGE], "loss": 0.9}] * 4)) == [("joined", "out_of_range:income", 7)]


def test_a_single_window_with_a_fault_joins_only_while_it_is_the_newest() -> None:
    assert later(days(*[{}] * 4, {"findings": [RECODED], "loss": 0.9})) == [("joined", "recoded:plan", 7)]
    assert later(days(*[{}] * 4, {"findings": [RECODED], "loss": 0.9}, *[{}] * 4)) == []


def test_a_finding_that_is_over_has_its_end_and_no_advice() -> None:
    fixed = verdict_of_model(days(*[{}] * 4, *[{"findings": [RECODED], "loss": 0.9}] * 4, *[{}] * 4))
    (found,) = fixed.later
    assert found.until == JULY + 11 * DAY
    assert verdict_later(fixed).endswith(" from 8 to 11 July 2013, which made it worse.")
    assert "plan" not in verdict_action(fixed)


def test_a_cause_that_ends_while_another_fault_lasts_has_its_end_and_no_advice() -> None:
    windows = days(
        *[{"findings": [MISSING]}] * 5,
        *[{"findings": [MISSING, RECODED], "loss": 0.9}] * 5,
        *[{"findings": [RECODED]}] * 5,
    )
    verdict = verdict_of_model(windows)
    assert (verdict.since, verdict.cause, verdict.cause_until) == (JULY + 3 * DAY, MISSING, JULY + 13 * DAY)
    assert later(windows) == [("joined", "recoded:plan", 8)]
    assert verdict_cause(verdict).endswith("This lasted until 13 July 2013.")
    assert verdict_action(verdict) == "Fix plan at its source, then evaluate again."


def test_what_did_no_harm_beside_a_cause_explains_the_loss_that_stays_without_it() -> None:
    windows = days(*[{"loss": 0.9}] * 5, *[{"findings": [RECODED], "loss": 0.9}] * 5, *[{"findings": [RECODED]}] * 5)
    verdict = verdict_of_model(windows)
    assert later(windows) == [("joined", "recoded:plan", 8)]
    assert verdict.cause_until == JULY + 13 * DAY
    assert verdict_cause(verdict) == "The first loss lasted until 13 July 2013."


def test_a_loss_that_stays_without_its_cause_has_another_one() -> None:
    windows = days(*[{"findings": [MISSING]}] * 5, *[{}] * 5)
    verdict = verdict_of_model(windows)
    assert (verdict.state, verdict.since, verdict.cause) == ("degraded", JULY + 3 * DAY, None)
    assert later(windows) == [("mended", "missing:age", 3)]
    assert verdict_later(verdict) == (
        "The first cause, from 4 to 8 July 2013: age never arrived (before, 2 % of its values were missing)."
    )
    assert "age" not in verdict_action(verdict)


def test_a_fault_that_is_older_than_the_loss_is_not_its_cause_if_another_one_began_with_it() -> None:
    windows = [*(right(day, findings=[MISSING]) for day in range(5))]
    windows += [bad(5 + day, findings=[MISSING, RECODED]) for day in range(5)]
    assert verdict_of_model(windows).cause == RECODED


def test_a_fault_that_did_no_harm_before_a_loss_is_not_its_cause_unless_it_grew() -> None:
    part, most = (Finding("missing", ("age",), "critical", 0.0, now, 1e-9) for now in (0.55, 0.9))
    loss = {"realized": {"log_loss": value(0.5, 0.47, 0.53)}}
    before = [
        known(day, {"log_loss": change("not_worse", 0.0, -0.03, 0.03)}, findings=[part], **loss) for day in range(5)
    ]
    assert verdict_of_model([*before, *(bad(5 + day, findings=[part]) for day in range(5))]).cause is None
    assert verdict_of_model([*before, *(bad(5 + day, findings=[most]) for day in range(5))]).cause == most


def test_a_fault_that_did_no_harm_on_the_day_before_a_loss_is_not_its_cause() -> None:
    loss = {"realized": {"log_loss": value(0.5, 0.47, 0.53)}}
    fine = [known(day, {"log_loss": change("not_worse", 0.0, -0.03, 0.03)}, **loss) for day in range(5)]
    after = [bad(5 + day, 0.9, findings=[MISSING]) for day in range(7)]
    week = replace(after[0], window=Window("1w", JULY + 5 * DAY, JULY + 12 * DAY))
    assert verdict_of_model([*fine, *after, week]).cause == MISSING
    before = [*fine[:4], replace(fine[4], findings=[MISSING])]
    assert verdict_of_model([*before, *after]).cause is None
    assert verdict_of_model([*before, *after, week]).cause is None


def test_a_single_bad_window_before_the_onset_does_not_date_a_degradation() -> None:
    windows = [
        *(right(day) for day in range(6)),
        bad(6, 0.56),
        *(bad(7 + day, 1.2, findings=[MISSING]) for day in range(6)),
    ]
    verdict = verdict_of_model(windows)
    assert (verdict.since, verdict.cause, verdict.later) == (JULY + 7 * DAY, MISSING, ())


def test_a_finding_lasts_while_its_columns_are_not_as_before_and_ends_with_another_fault_of_them() -> None:
    unit = Finding("unit_change", ("income",), "critical", 0.0, 1.0, 1e-12)
    outside = Finding("out_of_range", ("income",), "major", 0.0, 0.3, 1e-9)
    constant = Finding("constant", ("income",), "critical", 0.0, 1.0, 1e-12)
    first = [{"findings": [unit]}] * 4
    unclear = verdict_of_model(days(*first, *[{"findings": [outside, RECODED]}] * 4))
    assert (unclear.cause_until, [one.subject for one in unclear.later]) == (None, ["recoded:plan"])
    replaced = verdict_of_model(days(*first, *[{"findings": [constant, outside]}] * 4))
    assert (replaced.cause_until, [one.subject for one in replaced.later]) == (JULY + 7 * DAY, ["constant:income"])


def test_windows_of_few_rows_do_not_end_a_finding() -> None:
    few = {"rows": 2, "outcome_rows": 2}
    verdict = verdict_of_model(days(*[{"findings": [MISSING]}] * 4, *[few] * 3, *[{"findings": [MISSING]}] * 2))
    assert (verdict.cause, verdict.later) == (MISSING, ())


def test_a_fault_in_a_part_of_the_values_joins_only_with_the_loss() -> None:
    part = Finding("missing", ("plan",), "major", 0.15, 0.23, 1e-9)
    assert later(days(*[{}] * 4, *[{"findings": [part]}] * 4)) == []
    assert later(days(*[{}] * 4, *[{"findings": [part], "loss": 0.9}] * 4)) == [("joined", "missing:plan", 7)]


def test_a_fault_of_a_part_of_a_window_began_in_it() -> None:
    partly = Finding("unseen", ("plan",), "minor", 0.0, 0.1, 1e-9)
    windows = days(*[{}] * 4, {"findings": [partly]}, *[{"findings": [RECODED], "loss": 0.9}] * 4)
    assert later(windows) == [("joined", "recoded:plan", 7)]


def test_other_states_have_nothing_later() -> None:
    assert verdict_of_model([right(0), right(1), right(2, findings=[RECODED])]).later == ()
    assert Verdict("healthy").later == ()


def test_a_grave_fault_that_outcomes_have_not_judged_may_make_it_worse() -> None:
    wide = {"realized": {"log_loss": value(0.75, 0.6, 0.9)}, "findings": [RECODED]}
    windows = [*days(*[{}] * 4), known(7, {"log_loss": change("worse", 0.25, 0.1, 0.4)}, **wide)]
    (found,) = verdict_of_model(windows).later
    assert (found.role, found.shown) == ("joined", False)
    assert verdict_later(verdict_of_model(windows)).endswith(" since 8 July 2013, which may make it worse.")


def test_a_faulty_output_of_the_newest_window_is_no_cause() -> None:
    verdict = verdict_of_model(days(*[{}] * 4, {"findings": [CONSTANT]}))
    assert [one.subject for one in verdict.later] == ["output:score_constant"]
    assert (verdict.cause, verdict.kind) == (None, "")


def test_a_later_rise_of_the_loss_is_not_the_effect_of_a_harmless_fault() -> None:
    windows = days(*[{}] * 5, *[{"findings": [RECODED]}] * 6, *[{"findings": [RECODED], "loss": 1.0}] * 5)
    assert later(windows) == [("harmless", "recoded:plan", 8), ("joined", "loss", 14)]


def test_a_further_loss_lasts_while_another_fault_joins_it() -> None:
    windows = days(*[{}] * 5, *[{"loss": 0.9}] * 6, *[{"loss": 1.3, "findings": [RECODED]}] * 5)
    assert later(windows) == [("joined", "loss", 8), ("joined", "recoded:plan", 14)]
    assert [one.until for one in verdict_of_model(windows).later] == [None, None]


def test_two_rises_of_the_loss_have_a_begin_each() -> None:
    windows = days(*[{}] * 6, *[{"loss": 0.95}] * 6, *[{"loss": 1.4}] * 6)
    assert later(windows) == [("joined", "loss", 9), ("joined", "loss:2", 15)]


@pytest.mark.parametrize(("quiet", "lasts"), [(12, 2), (6, 4), (40, 3)])
def test_a_rise_of_the_loss_that_is_over_is_told_with_its_end(quiet: int, lasts: int) -> None:
    windows = days(*[{}] * quiet, *[{"loss": 1.3}] * lasts, *[{}] * 12)
    assert later(windows) == [("joined", "loss", 3 + quiet)]
    assert [one.until for one in verdict_of_model(windows).later] == [JULY + (3 + quiet + lasts) * DAY]


@pytest.mark.parametrize(("last", "expected"), [(1.4, []), (1.9, [("joined", "loss", 18)])])
def test_a_loss_that_is_again_as_before_it_fell_is_not_another_one(
    last: float, expected: list[tuple[str, str, int]]
) -> None:
    losses = [1.4] * 3 + [0.7] * 12 + [last] * 12
    assert later(days(*({"findings": [MISSING], "loss": loss} for loss in losses))) == expected


def test_a_fault_that_names_values_out_of_their_range_has_their_begin() -> None:
    windows = days(*[{}] * 4, *[{"findings": [RANGE], "loss": 0.9}] * 4, *[{"findings": [UNIT], "loss": 0.9}] * 4)
    assert later(windows) == [("joined", "unit_change:income", 7)]


@pytest.mark.parametrize("second", [replace(UNIT, severity="minor"), RANGE], ids=["minor", "without its name"])
def test_a_second_window_with_a_lesser_finding_confirms_a_fault(second: Finding) -> None:
    shown = [UNIT, second, *[UNIT] * 5]
    windows = days(*[{}] * 4, *({"findings": [one], "loss": 0.9} for one in shown))
    assert later(windows) == [("joined", "unit_change:income", 7)]


@pytest.mark.parametrize(("size", "expected"), [(1.0, [("joined", "loss", 4)]), (0.4, [])])
def test_a_loss_that_rises_while_a_fault_has_its_size_is_of_another_one(
    size: float, expected: list[tuple[str, str, int]]
) -> None:
    first = replace(MISSING, now=size)
    windows = days({"findings": [first], "loss": 0.7}, *[{"findings": [MISSING], "loss": 1.1}] * 8)
    assert later(windows) == expected


def test_a_finding_that_comes_back_begins_anew() -> None:
    windows = days(
        *[{}] * 4, *[{"findings": [RECODED], "loss": 0.9}] * 3, *[{}] * 6, {"findings": [RECODED], "loss": 0.9}
    )
    spans = [(_day(one), one.until is None) for one in verdict_of_model(windows).later if one.subject != "loss"]
    assert spans == [(7, False), (16, True)]


def test_the_end_of_a_cause_that_began_in_a_part_of_a_window_is_found() -> None:
    partly = Finding("missing", ("age",), "minor", 0.02, 0.3, 1e-9)
    windows = days({"findings": [partly]}, *[{"findings": [MISSING]}] * 6, *[{}] * 6)
    assert later(windows) == [("mended", "missing:age", 3)]


@pytest.mark.parametrize("is_known", [False, True], ids=["no outcomes yet", "outcomes that show a loss"])
def test_a_model_whose_fault_is_mended_is_not_retrained_before_outcomes_show_a_loss_without_it(is_known: bool) -> None:
    losses = days_of_losses(*[0.5] * 10, *[0.9] * 6)
    faulty = [replace(one, findings=[MISSING]) for one in losses[10:14]]
    verdict = verdict_of_model([*losses[:10], *faulty, *(losses[14:] if is_known else (window(14), window(15)))])
    assert (verdict.state, verdict.since) == ("degraded", JULY + 10 * DAY)
    assert isinstance(verdict.advice, facts.Retrain if is_known else facts.WaitForOutcomes)
    over = JULY + 14 * DAY
    assert (verdict.cause, verdict.cause_until) == ((None, None) if is_known else (MISSING, over))
    assert [(one.role, one.until) for one in verdict.later] == ([("mended", over)] if is_known else [])
