"""A stream of rows as services have them: features that correlate, days that differ, weekdays, two channels."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.baseline.sections.section import block_columns
from driftline.panes.fold import fold_by
from driftline.panes.pane import Pane, merge
from driftline.tables.table import I64, ModelKey
from driftline_processor.core.drift.coarse_bins import coarsen, grid
from driftline_processor.core.drift.rule import drift_by_slice
from driftline_processor.core.evaluation import Explanation
from driftline_processor.core.explain.causes import ExplainInput, explain
from driftline_processor.core.explain.onset import onset
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.window_context import WindowContext
from driftline_processor.core.windows.time_before import TimeSteps
from driftline_processor.core.windows.window import Window
from numpy.typing import NDArray

DAY = 86_400 * 10**9
FIRST = 1_767_571_200 * 10**9
"""Monday, 5 January 2026."""

REFERENCE_DAYS, DAYS = 56, 40
ROWS = 500
"""A day."""

NUMBERS = ("age", "income", "amount", "tenure", "visits", "balance", "temperature")
CATEGORIES = ("country", "plan", "device")
WITHIN, OF_DAYS, OF_WEEKDAYS = 0.5, 0.08, 0.1
"""The correlation of features; how far days and weekdays differ, in standard deviations of the rows."""

Frame = dict[str, NDArray[Any]]
Fault = Callable[[Frame, NDArray[np.bool_], np.random.Generator], None]
"""Changes the rows that a mask names, in place."""


def rows(rng: np.random.Generator, days: int) -> tuple[Frame, I64]:
    """Draw rows, and the day of each: int64 (n,)."""
    day = np.repeat(np.arange(days), ROWS)
    n, width = len(day), len(NUMBERS)
    common = rng.normal(size=(n, 1))
    values = np.sqrt(WITHIN) * common + np.sqrt(1 - WITHIN) * rng.normal(size=(n, width))
    values += OF_DAYS * rng.normal(size=(days, width))[day] + OF_WEEKDAYS * np.sin(2 * np.pi * day / 7)[:, np.newaxis]
    own = dict(zip(NUMBERS, values.T, strict=True))
    frame: Frame = {
        "age": np.rint(45 + 12 * own["age"]),
        "income": np.exp(10 + 0.5 * own["income"]),
        "amount": np.exp(4 + 0.4 * own["amount"]),
        "tenure": 60 + 15 * own["tenure"],
        "visits": np.floor(np.maximum(0.0, 3 * own["visits"])),
        "balance": np.where(own["balance"] < -0.5, 0.0, 1_000 * np.exp(own["balance"])),
        "temperature": 8 + 6 * own["temperature"],
        "country": rng.choice(np.array(["NO", "SE", "DK", "FI"], object), n, p=[0.5, 0.25, 0.15, 0.1]),
        "plan": np.where(common[:, 0] + rng.normal(size=n) > 0.5, "pro", "basic").astype(object),
        "device": rng.choice(np.array([f"d{k}" for k in range(12)], object), n),
        "channel": np.where(rng.random(n) < 0.3, "mobile", "web").astype(object),
    }
    frame["income"][rng.random(n) < 0.03] = np.nan
    frame["score"] = 1 / (1 + np.exp(-(0.8 * own["age"] - 0.6 * own["amount"] + 0.4 * own["visits"] - 1)))
    return frame, day


@dataclass
class Stream:
    """A baseline and a stream after it, in which a fault begins at a day."""

    seed: int
    fault: Fault | None = None
    at: int = 0
    days: int = DAYS

    @cached_property
    def _drawn(self) -> tuple[Baseline, Frame, I64, Frame]:
        rng = np.random.default_rng(self.seed)
        reference, day = rows(rng, REFERENCE_DAYS)
        time = FIRST + (day - REFERENCE_DAYS) * DAY + DAY // 2
        baseline = Baseline.from_frame(
            {**reference, "time": time.astype("datetime64[ns]")}, score="score", time="time", model="m", task="binary"
        )
        frame, of = rows(rng, self.days)
        if self.fault is not None:
            self.fault(frame, of >= self.at, rng)
        return baseline, frame, of, reference

    def panes(self, which: NDArray[np.bool_] | None = None) -> list[Pane]:
        """Return a pane for each day, of the rows chosen."""
        baseline, frame, of, _ = self._drawn
        return _folded(frame, of, self.days, baseline, which)

    def explained(self) -> Explanation | None:
        """Explain the last day as a service does."""
        baseline, panes = self._drawn[0], self.panes()
        beside = WindowContext(time_before=lambda parts: trail(panes, baseline, parts))
        window = ModelWindow(ModelKey("m"), self.last, panes[-1])
        return judge_window(window, Reference(baseline), beside).explanation

    def explained_by_slice(self, feature: str) -> Explanation | None:
        """Explain the last day by the values of a category."""
        baseline, frame, _, reference = self._drawn
        panes, baselines = {"": self.panes()}, {"": baseline}
        for value in np.unique(frame[feature].astype(str)).tolist():
            panes[f"{feature}={value}"] = self.panes(frame[feature] == value)
            own = _folded(reference, np.zeros(len(reference[feature]), int), 1, baseline, reference[feature] == value)
            baselines[f"{feature}={value}"] = replace(baseline, pane=merge(own))
        found = drift_by_slice({name: (one[-1], baselines[name]) for name, one in panes.items()}, span=DAY)
        views = {
            name: ExplainInput(
                one[-1],
                baselines[name],
                found[name].features,
                lambda parts, one=one, own=baselines[name]: trail(one, own, parts),  # type: ignore[misc]
            )
            for name, one in panes.items()
        }
        return explain(self.last, views)

    def onsets(self) -> dict[str, bool]:
        """Whether an onset is claimed of each feature, asked on the last day whether or not it drifts."""
        baseline, panes = self._drawn[0], self.panes()
        found = {}
        for part, over in block_columns(baseline.bins).items():
            cells = grid(over, baseline.pane.parts[part])
            before = coarsen(baseline.pane.parts[part], cells)
            found[part] = onset(before, trail(panes, baseline, [part]).of[part]) is not None
        return found

    @property
    def last(self) -> Window:
        """The window of the last day."""
        end = FIRST + self.days * DAY
        return Window("1d", end - DAY, end)


def _folded(
    frame: Frame, day: I64, days: int, baseline: Baseline, which: NDArray[np.bool_] | None = None
) -> list[Pane]:
    chosen = np.ones(len(day), np.bool_) if which is None else which
    table, *_ = table_from_frame(
        {name: values[chosen] for name, values in frame.items()}, score="score", model="m", task="binary"
    )
    return fold_by(table, baseline.bins, day[chosen], days)


def trail(panes: list[Pane], baseline: Baseline, parts: Collection[str]) -> TimeSteps:
    """Return days as steps."""
    starts = FIRST + np.arange(len(panes)) * DAY
    cells = {part: grid(block_columns(baseline.bins)[part], baseline.pane.parts[part]) for part in parts}
    of = {part: np.stack([coarsen(pane.parts[part], at) for pane in panes]) for part, at in cells.items()}
    return TimeSteps(starts, starts + DAY, of, cells)
