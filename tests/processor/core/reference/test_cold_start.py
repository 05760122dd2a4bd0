"""A learned baseline that grows, and how cautiously it is used."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.time_blocks import TimeGrid
from driftline.panes.pane import Pane
from driftline_processor.core import facts
from driftline_processor.core.drift.rule import Rules, drift_by_slice, effect_of
from driftline_processor.core.reference.cold_start import grow_reference, least_shift, reference_span
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.windows.window import DAY, HOUR

from tests.support.unwrap import of_type

START = 20_000 * DAY


def learned(n: int = 1_000, length: int = HOUR) -> Baseline:
    rng = np.random.default_rng(1)
    values = rng.normal(size=n)
    time = START + np.sort(rng.integers(0, length, n))
    frame = {"x": values, "p": values, "time": time}
    return Baseline.from_frame(frame, score="p", time="time", model="m", task="regression", features=["x"])


def pane(baseline: Baseline, values: np.typing.NDArray[np.float64]) -> Pane:
    edges = baseline.bins.features["x"].edges  # type: ignore[union-attr]
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 3)
    return Pane({"rows": np.full(3, float(len(values))), "feature:x": counts.astype(np.float64)})


def test_the_least_shift_falls_with_what_was_seen_of_a_day_and_of_a_week() -> None:
    assert [least_shift(int(days * DAY)) for days in (0, 0.5, 1.4, 7, 9)] == pytest.approx([1.25, 1.25, 0.4, 0.0, 0.0])
    falling = [least_shift(hour * HOUR) for hour in range(169)]
    assert falling == sorted(falling, reverse=True)


def test_a_shift_is_an_effect_in_the_unit_of_what_decides() -> None:
    assert effect_of(0.1, "ks") == pytest.approx(0.04, abs=2e-4)
    assert effect_of(0.5, "chi2") == 0.25
    assert effect_of(0.0, "mean_shift") == 0.0


def test_a_reference_has_the_rows_that_were_learned_and_those_that_came_since() -> None:
    baseline = learned()
    rng = np.random.default_rng(2)
    stretches = TimeGrid(START - START % HOUR, HOUR, 12)
    panes = [pane(baseline, rng.normal(size=100)) for _ in range(11)]
    found = grow_reference(baseline, stretches, [Pane(), *panes])
    assert found.baseline.pane.rows == 2_100
    assert found.baseline.fold == baseline.fold
    assert found.baseline.extras.blocks is None  # a morning says nothing of how far hours differ
    assert found.shift == 1.25
    (note,) = found.notes
    until = of_type(note, facts.OwnFirstRows).until
    assert note == facts.OwnFirstRows(covered=12 * HOUR, rows=2_100, until=until, shift=1.25)
    assert until // 10**9 == np.datetime64("2024-10-13T08:00", "s").astype(int)


def test_a_week_settles_it() -> None:
    baseline = learned()
    assert reference_span(baseline, START + 8 * HOUR) == (START, START + 6 * HOUR)
    assert (
        reference_span(baseline, START + 20 * DAY)
        == reference_span(baseline, START + 30 * DAY)
        == (START, START + 7 * DAY)
    )
    spans = [reference_span(baseline, START + hour * HOUR) for hour in range(2, 240)]
    ends = [(until - START) / HOUR for span in spans if span is not None for until in span[1:]]
    assert ends == sorted(ends)
    assert all(hour * 3 / 4 * 8 / 9 <= end <= hour * 3 / 4 for hour, end in zip(range(2, 224), ends, strict=False))
    assert len(set(ends[22:])) < 30, "windows beside each other have one reference"
    stretches = TimeGrid(START, 6 * HOUR, 28)
    panes = [pane(baseline, np.zeros(10)) for _ in range(28)]
    found = grow_reference(baseline, stretches, panes)
    assert (found.shift, found.notes) == (0.0, (facts.OwnFirstWeek(rows=1_280),))
    blocks = found.baseline.extras.blocks
    assert blocks is not None
    assert blocks.rows[:, 0].tolist() == [1_010, *[10] * 27]


def test_rows_without_times_are_compared_with_as_they_are() -> None:
    plain = Baseline.from_frame({"x": [1.0, 2.0]}, score=[0.1, 0.2], model="m", task="regression")
    assert grow_reference(plain, None, ()) == Reference(plain)


@pytest.mark.parametrize(
    ("moved", "shift", "state"), [(1.0, 1.25, "inconclusive"), (2.0, 1.25, "drift"), (1.0, 0.5, "drift")]
)
def test_only_what_is_beyond_the_least_shift_is_drift(moved: float, shift: float, state: str) -> None:
    baseline = learned()
    now = pane(baseline, np.random.default_rng(3).normal(moved, 1, 500))
    found = drift_by_slice({"": (now, baseline)}, Rules(shift=shift))[""]
    assert found.features["x"].state == state
