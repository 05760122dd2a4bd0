"""Outcomes that come to a window whose rows did not change leave its drift as it was, and nothing else differs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pytest
from driftline_processor.config.model import Model
from driftline_processor.core import judge_window
from driftline_processor.core.drift.slices import SlicedWindow, drift_of_windows
from driftline_processor.core.windows.window import Window
from driftline_processor.evaluation.evaluator import UnchangedRows
from driftline_processor.state import State
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, baseline, config, outcomes, predictions

DIGIT = re.compile(r"\d+\.\d+(e-?\d+)?")


class Rows(NamedTuple):
    """Rows of an hour after noon."""

    hour: int
    size: int
    shift: float

    def send(self, state: Opened, number: int) -> None:
        rng = np.random.default_rng(number)
        ids = [f"{self.hour}-{number}-{row}" for row in range(self.size)]
        features = {
            "age": (rng.normal(size=self.size) + self.shift).tolist(),
            "plan": rng.choice(["a", "b", "c"], self.size).tolist(),
        }
        state.send(predictions(ids, NOON + self.hour * HOUR, rng.random(self.size).tolist(), features=features))


class Truth(NamedTuple):
    """Outcomes of rows of an earlier request; again: they are corrected where they came before."""

    of: int
    fraction: float
    actual: int

    def send(self, state: Opened, sent: list[tuple[int, Rows]], clock: Clock) -> None:
        if not sent:
            return
        number, rows = sent[self.of % len(sent)]
        count = max(1, round(rows.size * self.fraction))
        ids = [f"{rows.hour}-{number}-{row}" for row in range(count)]
        state.send(outcomes(ids, [(row + self.actual) % 2 for row in range(count)], clock.now))


class Pause(NamedTuple):
    """Time that goes by."""

    minutes: int


EVENTS = st.one_of(
    st.builds(Rows, st.integers(0, 3), st.integers(1, 300), st.sampled_from([0.0, 1.0])),
    st.builds(Truth, st.integers(0, 9), st.sampled_from([0.2, 1.0]), st.integers(0, 1)),
    st.builds(Truth, st.integers(0, 9), st.sampled_from([0.2, 1.0]), st.integers(0, 1)),
    st.builds(Pause, st.sampled_from([30, 120])),
)


class Changed(UnchangedRows):
    """Takes the rows of each window for changed, so that all of it is evaluated."""

    def __contains__(self, window: Window) -> bool:
        return False


def saved_baseline(folder: Path) -> Path:
    rng, path = np.random.default_rng(0), folder / "churn.baseline.json"
    features = {"age": rng.normal(size=3_000).tolist(), "plan": ["a", "b"] * 1_500}
    baseline(rng.random(3_000).tolist(), features).save(path)
    return path


@contextmanager
def opened(path: Path, clock: Clock, *, whole: bool) -> Iterator[Opened]:
    model = Model(windows=("1h", "1d"), baseline=saved_baseline(path))
    state = State(config(path / "state", churn=model), clock=clock)
    state.start_storing()
    if whole:
        state.parts.evaluator._unchanged = defaultdict(Changed)
    both = Opened(state)
    yield both
    both.leave()


def numbers(state: Opened) -> dict[str, list[str]]:
    """All of each window, with nine digits of every number."""
    return {
        name: [DIGIT.sub(lambda number: f"{float(number[0]):.9g}", repr(window)) for window in windows]
        for name, windows in state.view().windows.items()
    }


@pytest.mark.slow
@given(st.lists(EVENTS, min_size=3, max_size=9))
@settings(max_examples=12, deadline=None)
def test_an_evaluation_that_keeps_the_drift_of_unchanged_rows_is_that_of_everything(
    events: list[Rows | Truth | Pause],
) -> None:
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        clocks = Clock(NOON + 4 * HOUR), Clock(NOON + 4 * HOUR)
        with (
            opened(Path(one), clocks[0], whole=False) as state,
            opened(Path(other), clocks[1], whole=True) as whole,
        ):
            sent: list[tuple[int, Rows]] = []
            for number, event in enumerate(events):
                for each, clock in zip((state, whole), clocks, strict=True):
                    clock.now += MINUTE
                    if isinstance(event, Rows):
                        event.send(each, number)
                    elif isinstance(event, Truth):
                        event.send(each, sent, clock)
                    else:
                        clock.now += event.minutes * MINUTE
                    each.state.join_now()
                    each.state.evaluate_now()
                if isinstance(event, Rows):
                    sent.append((number, event))
                if sent:
                    assert numbers(state) == numbers(whole)


def test_drift_is_compared_again_only_if_rows_came_to_the_window_or_the_time_before_it(
    open_state: Open, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []

    def counted(windows: list[SlicedWindow]) -> list[object]:
        compared.extend(window.pane.rows for window in windows)
        return [*drift_of_windows(windows)]

    monkeypatch.setattr(judge_window, "drift_of_windows", counted)

    def evaluate(*events: Rows | Truth) -> tuple[bool, float | None]:
        """Return whether the hour of 200 rows was compared, and the coverage of that hour."""
        compared.clear()
        for number, event in enumerate(events):
            clock.now += MINUTE
            if isinstance(event, Rows):
                event.send(state, number)
            else:
                event.send(state, [(0, Rows(0, 200, 0.0))], clock)
        (coverage,) = [window.coverage for window in state.view().windows["1h"] if window.rows == 200]
        return 200 in compared, coverage

    state = open_state(churn=Model(windows=("1h",), baseline=saved_baseline(tmp_path)))
    clock.now = NOON + DAY
    assert evaluate(Rows(0, 200, 0.0), Rows(2, 10, 0.0)) == (True, 0.0)
    assert evaluate(Truth(0, 0.5, 0)) == (False, 0.5), "outcomes alone"
    assert evaluate(Truth(0, 0.5, 1)) == (False, 0.5), "corrections alone"
    assert evaluate(Rows(3, 10, 0.0)) == (False, 0.5), "rows of a later window"
    assert evaluate(Truth(0, 1.0, 1)) == (False, 1.0)
    assert evaluate(Rows(-1, 10, 0.0), Truth(0, 1.0, 0)) == (True, 1.0), "rows of the time before"
