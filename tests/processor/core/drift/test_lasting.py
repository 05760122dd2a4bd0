"""Evidence over windows: quiet where nothing lasts, and a shift that no window shows by itself is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.tables.table import ModelKey
from driftline_processor.core.drift.lasting import ALPHA, LIFE, follow_lasting, lasting_sums, log_evidence
from driftline_processor.core.evaluation import Evaluation, LastingDrift
from driftline_processor.core.windows.window import DAY, HOUR, Window
from driftline_processor.evaluation.evaluation_store import evaluation_from_text, evaluation_to_text
from driftline_processor.present.evaluation_json import to_json

ROWS = 400
BEGAN = 1_772_323_200 * 10**9
LABELS = np.array(["a", "b", "c"], object)


def rows(rng: np.random.Generator, days: int, shift: float = 0.0, wobble: float = 0.1, share: float = 0.5) -> Any:
    """Draw rows of days that differ; ``shift`` of x, and ``share`` of the label a."""
    level = np.repeat(rng.normal(scale=wobble, size=days), ROWS)
    n = days * ROWS
    return {
        "x": rng.normal(size=n) + level + shift,
        "y": rng.normal(size=n),
        "kind": LABELS[np.where(rng.random(n) < share, 0, rng.integers(1, 3, n))],
        "score": rng.random(n),
    }


def built(rng: np.random.Generator, days: int = 30, timed: bool = True) -> Baseline:
    frame = rows(rng, days)
    times = BEGAN - days * DAY + np.arange(len(frame["x"])) * (DAY // ROWS)
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


@pytest.mark.parametrize("timed", [True, False])
def test_quiet_windows_raise_no_alarm(timed: bool) -> None:
    rng = np.random.default_rng(1)
    baseline = built(rng, timed=timed)
    last = followed([window(baseline, rows(rng, 1), day) for day in range(70)])[-1]
    assert {name: one.state for name, one in known(last).targets.items()} == dict.fromkeys(
        ("feature:x", "feature:y", "feature:kind", "score", "class"), "not_found"
    )
    assert known(last).epoch == 3
    assert max(one.evidence for one in known(last).targets.values()) < -np.log(ALPHA)


def test_a_small_shift_that_lasts_is_found_and_says_since_when_and_how_much() -> None:
    rng = np.random.default_rng(2)
    baseline = built(rng)
    days = followed([window(baseline, rows(rng, 1, shift=0.3), day) for day in range(30)])
    found = known(days[-1]).targets["feature:x"]
    assert (found.state, found.measure, found.since) == ("drift", "level", BEGAN)
    assert found.shift == pytest.approx(0.3, abs=0.06)
    assert found.found is not None
    assert 3 <= (found.found - BEGAN) // DAY <= 20
    at = int((found.found - BEGAN) // DAY)
    assert [known(day).targets["feature:x"].state for day in days[at - 2 : at]] == ["not_found", "drift"]
    assert {name for name, one in known(days[-1]).targets.items() if one.state == "drift"} == {"feature:x"}


def test_a_share_of_a_label_that_moves_is_found_by_its_name() -> None:
    rng = np.random.default_rng(3)
    baseline = built(rng)
    found = known(followed([window(baseline, rows(rng, 1, share=0.56), day) for day in range(30)])[-1])
    one = found.targets["feature:kind"]
    assert (one.state, one.measure) == ("drift", "a")
    assert one.shift == pytest.approx(0.06, abs=0.01)


def test_it_ends_after_thirty_windows_that_are_as_the_reference() -> None:
    rng = np.random.default_rng(4)
    baseline = built(rng)
    shifted = followed([window(baseline, rows(rng, 1, shift=0.6), day) for day in range(20)])
    assert known(shifted[-1]).targets["feature:x"].state == "drift"
    later = followed([window(baseline, rows(rng, 1), 20 + day) for day in range(70)], shifted[-1])
    states = [known(day).targets["feature:x"].state for day in later]
    assert states[30] == "drift"
    assert states[-1] == "not_found"


def test_hours_are_added_up_to_the_days_of_the_reference() -> None:
    rng = np.random.default_rng(5)
    baseline = built(rng)
    day = rows(rng, 1)
    hours = [window(baseline, {name: value[hour::24] for name, value in day.items()}, hour, HOUR) for hour in range(24)]
    [whole] = followed([window(baseline, day, 0)])
    summed = followed(hours)
    assert known(summed[-2]).targets == {}
    assert known(summed[-1]).targets.keys() == known(whole).targets.keys()
    assert known(summed[-1]).memory == pytest.approx(known(whole).memory)


def test_an_open_window_adds_nothing_and_another_reference_begins_anew() -> None:
    rng = np.random.default_rng(6)
    baseline = built(rng)
    days = followed([window(baseline, rows(rng, 1), day) for day in range(8)])
    [still] = followed([window(baseline, rows(rng, 1), 8, closed=False)], days[-1])
    assert np.array_equal(known(still).memory, known(days[-1]).memory)
    [other] = followed([window(built(rng), rows(rng, 1), 8)], days[-1])
    assert known(other).memory[:, LIFE].max() == 1.0


def test_evidence_goes_on_from_what_was_stored_and_stands_in_the_json() -> None:
    rng = np.random.default_rng(7)
    baseline = built(rng)
    days = followed([window(baseline, rows(rng, 1, shift=0.3), day) for day in range(12)])
    read = evaluation_from_text(evaluation_to_text(days[5]))
    again = followed([replace(day, lasting=one.lasting) for day, one in zip(days[6:], days[6:], strict=True)], read)
    assert known(again[-1]).targets == known(days[-1]).targets
    said = to_json(days[-1])["drift"]["lasting"]["feature:x"]
    assert (said["measure"], said["since"]) == ("level", "2026-03-01T00:00:00Z")


def test_the_evidence_is_the_ratio_of_both_integrals() -> None:
    """By numbers: the likelihoods of both samples, over mean, logarithm of the scale, and the prior of the shift."""
    reference, sample = np.array([0.3, -1.0, 0.9, 0.2, -0.6]), np.array([1.1, 0.4, 1.9])
    facts = np.zeros((1, 5))
    facts[0] = (1e3, len(reference), reference.mean(), ((reference - reference.mean()) ** 2).sum(), 0.0)
    memory = np.zeros((1, 13))
    memory[0, LIFE : LIFE + 3] = (len(sample), sample.sum(), (sample**2).sum())
    one = LastingDrift({}, ("x",), ("level",), np.ones(1), facts, 0.0, 1, np.zeros((1, 2)), memory)
    mean, log_scale, shift = np.meshgrid(
        np.linspace(-6, 6, 161), np.linspace(-3, 4, 161), np.linspace(-6, 6, 121), indexing="ij"
    )
    scale = np.exp(log_scale)

    def likelihood(moved: Any) -> Any:
        squares = sum((value - mean) ** 2 for value in reference) + sum((v - mean - moved * scale) ** 2 for v in sample)
        return np.exp(-squares / 2 / scale**2) / scale ** (len(reference) + len(sample))

    prior = np.exp(-(shift**2) / 2) / np.sqrt(2 * np.pi)
    ratio = (likelihood(shift) * prior).sum() * (shift[0, 0, 1] - shift[0, 0, 0]) / likelihood(0.0)[..., 0].sum()
    assert log_evidence(one, LIFE)[0] == pytest.approx(np.log(ratio), abs=0.01)
