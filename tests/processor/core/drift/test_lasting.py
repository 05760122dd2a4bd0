"""Evidence over windows: quiet where nothing lasts, and a shift that no window shows by itself is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.tables.table import ModelKey
from driftline_processor.core.drift.lasting import (
    ALPHA,
    BETWEEN,
    KEEPS,
    LIFE,
    LITTLE,
    PRIOR,
    RECENT,
    ROWS,
    TOTAL,
    WIDTH,
    follow_lasting,
    lasting_sums,
    log_evidence,
    own_facts,
    recall_lasting,
    remembers,
    take_step,
)
from driftline_processor.core.evaluation import Evaluation, LastingDrift
from driftline_processor.core.windows.window import DAY, HOUR, Window
from driftline_processor.evaluation.evaluation_codec import decode_evaluation, encode_evaluation
from driftline_processor.present.evaluation_json import to_json
from msgspec.structs import replace

from tests.support.evaluation_text import evaluation_to_text
from tests.support.slow import slow

A_DAY = 400
BEGAN = 1_772_323_200 * 10**9
LABELS = np.array(["a", "b", "c"], object)


def rows(rng: np.random.Generator, days: int, shift: float = 0.0, wobble: float = 0.1, share: float = 0.5) -> Any:
    """Draw rows of days that differ; ``shift`` of x, and ``share`` of the label a."""
    level = np.repeat(rng.normal(scale=wobble, size=days), A_DAY)
    n = days * A_DAY
    return {
        "x": rng.normal(size=n) + level + shift,
        "y": rng.normal(size=n),
        "kind": LABELS[np.where(rng.random(n) < share, 0, rng.integers(1, 3, n))],
        "score": rng.random(n),
    }


def built(rng: np.random.Generator, days: int = 30, timed: bool = True) -> Baseline:
    frame = rows(rng, days)
    times = BEGAN - days * DAY + np.arange(len(frame["x"])) * (DAY // A_DAY)
    return Baseline.from_frame(frame, score="score", model="m", task="binary", time=times if timed else None)


def window(baseline: Baseline, frame: Any, number: int, length: int = DAY, closed: bool = True) -> Evaluation:
    table, *_ = table_from_frame(frame, score="score", model="m", task="binary")
    start = BEGAN + number * length
    sums = lasting_sums(fold(table, baseline.bins), baseline, length)
    found = Evaluation(ModelKey("m", "1", ""), Window("1d", start, start + length), len(frame["x"]), closed)
    found.lasting, found.baseline_version = sums, "1"
    return found


def followed(windows: list[Evaluation], before: Evaluation | None = None) -> list[Evaluation]:
    found = list[Evaluation]()
    for one in windows:
        before = replace(one, lasting=follow_lasting(one, before))
        found.append(before)
    return found


def known(evaluation: Evaluation) -> LastingDrift:
    assert evaluation.lasting is not None
    return evaluation.lasting


def test_quiet_windows_raise_no_alarm() -> None:
    rng = np.random.default_rng(1)
    baseline = built(rng)
    last = followed([window(baseline, rows(rng, 1), day) for day in range(70)])[-1]
    assert {name: one.state for name, one in known(last).columns.items()} == dict.fromkeys(
        ("feature:x", "feature:y", "feature:kind", "score", "class"), "not_found"
    )
    assert known(last).epoch == 3
    assert max(one.evidence or 0.0 for one in known(last).columns.values()) < -np.log(ALPHA)


@pytest.mark.parametrize(("days", "timed", "reason"), [(30, False, "no_times"), (4, True, "too_few_days")])
def test_where_the_reference_does_not_know_its_own_error_nothing_is_told(days: int, timed: bool, reason: str) -> None:
    rng = np.random.default_rng(1)
    baseline = built(rng, days, timed)
    last = followed([window(baseline, rows(rng, 1, shift=2.0), day) for day in range(3)])[-1]
    told = known(last).columns
    assert {one.state for one in told.values()} == {"inconclusive"}
    assert {one.reason for one in told.values()} == {reason}
    assert told.keys() == {"feature:x", "feature:y", "feature:kind", "score", "class"}


def test_a_small_shift_that_lasts_is_found_and_says_since_when_and_how_much() -> None:
    rng = np.random.default_rng(2)
    baseline = built(rng)
    days = followed([window(baseline, rows(rng, 1, shift=0.3), day) for day in range(30)])
    found = known(days[-1]).columns["feature:x"]
    assert (found.state, found.measure, found.since) == ("drift", "level", BEGAN)
    assert found.shift == pytest.approx(0.3, abs=0.06)
    assert found.found is not None
    assert 3 <= (found.found - BEGAN) // DAY <= 25
    at = int((found.found - BEGAN) // DAY)
    assert [known(day).columns["feature:x"].state for day in days[at - 2 : at]] == ["not_found", "drift"]
    assert {name for name, one in known(days[-1]).columns.items() if one.state == "drift"} == {"feature:x"}


def test_a_share_of_a_label_that_moves_is_found_by_its_name() -> None:
    rng = np.random.default_rng(3)
    baseline = built(rng)
    found = known(followed([window(baseline, rows(rng, 1, share=0.56), day) for day in range(30)])[-1])
    one = found.columns["feature:kind"]
    assert (one.state, one.measure) == ("drift", "a")
    assert one.shift == pytest.approx(0.06, abs=0.01)


def test_it_ends_after_thirty_windows_that_are_as_the_reference() -> None:
    rng = np.random.default_rng(4)
    baseline = built(rng)
    shifted = followed([window(baseline, rows(rng, 1, shift=0.6), day) for day in range(20)])
    assert known(shifted[-1]).columns["feature:x"].state == "drift"
    later = followed([window(baseline, rows(rng, 1), 20 + day) for day in range(70)], shifted[-1])
    states = [known(day).columns["feature:x"].state for day in later]
    assert states[30] == "drift"
    assert states[-1] == "not_found"


def test_hours_are_added_up_to_the_days_of_the_reference() -> None:
    rng = np.random.default_rng(5)
    baseline = built(rng)
    day = rows(rng, 1)
    hours = [window(baseline, {name: value[hour::24] for name, value in day.items()}, hour, HOUR) for hour in range(24)]
    [whole] = followed([window(baseline, day, 0)])
    summed = followed(hours)
    assert known(summed[-2]).columns == {}
    assert known(summed[-1]).columns.keys() == known(whole).columns.keys()
    assert known(summed[-1]).memory == pytest.approx(known(whole).memory, abs=0.03)  # of scores in hundredths


def test_an_open_window_adds_nothing_and_another_reference_begins_anew() -> None:
    rng = np.random.default_rng(6)
    baseline = built(rng)
    days = followed([window(baseline, rows(rng, 1), day) for day in range(8)])
    [still] = followed([window(baseline, rows(rng, 1), 8, closed=False)], days[-1])
    assert np.array_equal(known(still).memory, known(days[-1]).memory)
    [other] = followed([window(built(rng), rows(rng, 1), 8)], days[-1])
    assert known(other).memory[:, LIFE].max() == 1.0


def test_a_window_without_rows_is_none() -> None:
    rng = np.random.default_rng(8)
    baseline = built(rng)
    days = [rows(rng, 1) for _ in range(3)]
    first, second, last = days
    with_gap = followed([window(baseline, first, 0), window(baseline, second, 1), window(baseline, last, 3)])
    empty = window(baseline, second, 2)
    empty.lasting = replace(known(empty), scores=(0,) * len(known(empty).scores), rows=(0.0,))
    with_empty = followed([window(baseline, first, 0), window(baseline, second, 1), empty, window(baseline, last, 3)])
    assert known(with_empty[-1]).columns == known(with_gap[-1]).columns
    assert np.array_equal(known(with_empty[-1]).memory, known(with_gap[-1]).memory)


def test_evidence_goes_on_from_what_was_stored_and_stands_in_the_json() -> None:
    rng = np.random.default_rng(7)
    baseline = built(rng)
    windows = [window(baseline, rows(rng, 1, shift=0.3), day) for day in range(12)]
    days = followed(windows)
    stored = [decode_evaluation(encode_evaluation(one)) for one in days[:6]]
    assert [remembers(one) for one in stored] == [True] + [False] * 5
    recalled = recall_lasting(windows[6], stored)
    again = followed(windows[6:], recalled)
    assert known(again[-1]) == known(days[-1])
    assert np.array_equal(known(again[-1]).memory, known(days[-1]).memory)
    said = to_json(days[-1])["drift"]["lasting"]["feature:x"]
    assert (said["state"], said["reason"], said["measure"]) == ("not_found", None, "level")
    assert said["since"] == "2026-03-01T00:00:00Z"


def test_a_stored_window_carries_little() -> None:
    rng = np.random.default_rng(9)
    baseline = built(rng)
    days = followed([window(baseline, rows(rng, 1), day) for day in range(40)])
    functions = len(known(days[-1]).scores)
    sizes = [len(evaluation_to_text(one)) - len(evaluation_to_text(replace(one, lasting=None))) for one in days]
    assert sum(sizes) / len(sizes) / functions < 120  # 340 when sums and facts stood in each


@pytest.mark.parametrize("stretch", [LIFE, slow(RECENT)])
def test_the_evidence_is_the_ratio_of_both_integrals(stretch: int) -> None:
    """By numbers: normal likelihoods of all steps, over mean, logarithm of the scale, and the prior of the shift."""
    reference, before, after = [0.3, -1.0, 0.9, 0.2, -0.6], [0.5, -0.2], [1.1, 0.4, 1.9]
    facts = own_facts(np.array(reference), np.full(5, 1e12))[np.newaxis]
    scale = np.sqrt(facts[0, BETWEEN])
    memory = np.zeros((1, WIDTH))
    for at, value in enumerate([*before, *after]):
        if stretch == RECENT and at == len(before):
            memory[:, RECENT:WIDTH] = 0.0
        memory[:, TOTAL], memory[:, ROWS] = value * 1e12, 1e12
        take_step(memory, facts)
    moved = np.array([*before, *after]) / scale
    shifted = np.arange(len(moved)) >= (len(before) if stretch == RECENT else 0)
    means, log_scales, shifts = np.meshgrid(
        np.linspace(-7, 7, 71), np.linspace(-3, 4, 71), np.linspace(-16, 16, 161), indexing="ij"
    )
    with_shift, without = [], []
    for keeps in KEEPS:
        square: Any = 0.0
        for chain, which in ((np.array(reference) / scale, np.zeros(5)), (moved, shifted)):
            lags = np.abs(np.subtract.outer(np.arange(len(chain)), np.arange(len(chain))))
            inverse = np.linalg.inv(keeps**lags)
            off = [value - means - at * shifts * np.exp(log_scales) for value, at in zip(chain, which, strict=True)]
            square = square + sum(
                inverse[one, two] * off[one] * off[two] for one in range(len(chain)) for two in range(len(chain))
                if abs(inverse[one, two]) > 1e-12
            )  # fmt: skip
        determinant = sum(
            np.linalg.slogdet(keeps ** np.abs(np.subtract.outer(np.arange(n), np.arange(n))))[1] for n in (5, 5)
        )
        likelihood = np.exp(-square / 2 / np.exp(2 * log_scales) - determinant / 2 - 10 * log_scales)
        prior = np.exp(-(shifts**2) / 2 / PRIOR) / np.sqrt(2 * np.pi * PRIOR)
        with_shift.append((likelihood * prior).sum() * (shifts[0, 0, 1] - shifts[0, 0, 0]))
        without.append(likelihood[..., 80].sum())
    weights = (1 - KEEPS) ** LITTLE
    expected = np.log(np.sum(weights / weights.sum() * np.array(with_shift)) / np.max(without))
    assert log_evidence(memory, facts)[stretch == RECENT][0] == pytest.approx(expected, abs=0.01)
