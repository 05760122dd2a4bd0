"""Slices in which a model became worse: how often a planted one is named, and how often an innocent one.

The truth is nonlinear, the model is a gradient boosted forest that errs, and days have rates of their own. The model is
trained on two weeks, the baseline has three weeks, and a window has one day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.loss_cells import bin_of_part, row_loss
from driftline.tables.table import F64, I64, Column
from driftline_processor.core.evaluation import SliceChange
from driftline_processor.core.performance.judge import SLICE_LEVEL
from driftline_processor.core.performance.reference import margins_of
from driftline_processor.core.performance.settings import STANDARD
from driftline_processor.core.weak_slices.slice_change import LossTiles, find_slice_change, sums_of_tiles
from driftline_processor.core.windows.window import DAY
from numpy.typing import NDArray
from scipy.special import expit

from simulations.frame import Figures, Random, Table
from simulations.promise import Promise, text

START = 1_767_225_600 * 10**9
TRAINING, REFERENCE, WINDOWS, FAULT = 14, 21, 21, 7
"""Days of training, of the baseline, and of windows; the fault begins after ``FAULT`` windows."""

SLOPE = 2.0
"""Slope of the log odds; the model has an AUC of about 0.85."""

ENOUGH = 200
"""Outcomes of the slice since the fault after which it must be named."""

COUNTRIES, SHARES = np.array(["NL", "DE", "FR", "BE"]), [0.5, 0.25, 0.2, 0.05]

Fault = Literal["", "reversed", "permuted", "broken", "rate", "effect", "odds"]
Where = Literal["all", "BE", "FR", "range"]


@dataclass(frozen=True)
class History:
    """Days of rows of a model.

    Attributes:
        fault: What is done to the rows of ``where``: labels reversed, scores permuted, the first input constant,
            another rate of positives, the effect of the third input reversed, or log odds that are higher by one.
        where: The slice: a country of 5 or 20 %, 10 % of a number, or all rows.
        rows: Rows per day.
        daily: Standard deviation of the days' own log odds.
        apart: Standard deviation of the days' own log odds in each country.
        harder: Whether the outcomes of Belgium were always random.
        number: Whether the model is a regression.
    """

    fault: Fault = ""
    where: Where = "all"
    rows: int = 400
    daily: float = 0.4
    apart: float = 0.0
    harder: bool = False
    number: bool = False

    def changes(self, rng: Random) -> Iterator[tuple[SliceChange | None, int]]:
        """Yield the named slice of each window, and the outcomes of the planted slice since its fault."""
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        days = TRAINING + REFERENCE + WINDOWS
        n = days * self.rows
        day = np.repeat(np.arange(days), self.rows)
        x = rng.normal(size=(n, 6))
        country = rng.choice(len(COUNTRIES), n, p=SHARES)
        odds = 1.5 * x[:, 0] * (x[:, 1] > 0) + np.sin(2 * x[:, 2]) + 0.8 * x[:, 3] * (country == 1) - 0.5
        odds += self.daily * rng.normal(size=days)[day]
        odds += self.apart * rng.normal(size=(days, len(COUNTRIES)))[day, country]
        planted = self._inside(x, country) & (day >= TRAINING + REFERENCE + FAULT) & (self.fault != "")
        if self.fault == "effect":
            odds = np.where(planted, odds - 2 * np.sin(2 * x[:, 2]), odds)
        if self.fault == "odds":
            odds = np.where(planted, odds + 1 / SLOPE, odds)
        noise = rng.normal(size=n)
        y = odds + noise if self.number else (rng.random(n) < expit(SLOPE * odds)).astype(np.float64)
        if self.harder:
            hard = country == 3
            y = np.where(hard, odds + 3 * noise if self.number else rng.integers(0, 2, n), y)
        inputs = np.column_stack([x, country])
        model = (HistGradientBoostingRegressor if self.number else HistGradientBoostingClassifier)(random_state=0)
        trained = day < TRAINING
        model.fit(inputs[trained], y[trained])
        if self.fault == "broken":
            inputs[planted, 0] = x[planted, 0] = 4.0
        score: F64 = model.predict(inputs) if self.number else model.predict_proba(inputs)[:, 1]
        if self.fault == "permuted":
            score[planted] = rng.permutation(score[planted])
        if self.fault == "reversed":
            y[planted] = -y[planted] if self.number else 1 - y[planted]
        if self.fault == "rate":
            y[planted] = y[planted] + 1 if self.number else np.maximum(y[planted], rng.random(planted.sum()) < 0.4)
        yield from _named(x, country, score, y, day, planted, self.number)

    def _inside(self, x: F64, country: I64) -> NDArray[np.bool_]:
        if self.where in COUNTRIES:
            return np.asarray(COUNTRIES[country] == self.where)
        if self.where == "range":
            return np.asarray((x[:, 4] > 0.5) & (x[:, 4] < 0.81))
        return np.ones(len(country), np.bool_)

    def is_planted(self, change: SliceChange) -> bool:
        """Whether a named slice is the planted one."""
        if self.where == "range":
            return change.features == ("x4",) or (self.fault == "broken" and change.features == ("x0",))
        if self.fault == "broken" and change.features == ("x0",):
            return True  # the constant is a slice of its own
        return change.name == f"country={self.where}"


def _named(
    x: F64, country: I64, score: F64, y: F64, day: I64, planted: NDArray[np.bool_], number: bool
) -> Iterator[tuple[SliceChange | None, int]]:
    time = START + day * DAY + DAY // 2
    columns: dict[str, Any] = {f"x{at}": values for at, values in enumerate(x.T)} | {"country": COUNTRIES[country]}
    reference = (day >= TRAINING) & (day < TRAINING + REFERENCE)
    more: dict[str, Any] = {} if number else {"positive_class": 1.0}
    baseline = Baseline.from_frame(
        {name: values[reference] for name, values in columns.items()},
        score=score[reference],
        actual=y[reference],
        time=time[reference].astype("datetime64[ns]"),
        model="m",
        task="regression" if number else "binary",
        **more,
    )
    losses = baseline.extras.losses
    assert losses is not None
    now = np.flatnonzero(day >= TRAINING + REFERENCE)
    tile = day[now] - TRAINING - REFERENCE
    features = {f"x{at}": Column(numbers=values[now]) for at, values in enumerate(x.T)}
    features["country"] = Column(codes=country[now].astype(np.int32), categories=tuple(COUNTRIES.tolist()))
    codes = {}
    for part, over in losses.bins(baseline.bins).items():
        found = bin_of_part(part, over, features, {})
        assert found is not None
        codes[part] = over, found
    loss = row_loss(baseline.task, score[now, np.newaxis], None, Column(numbers=y[now]))
    assert loss is not None
    sums = sums_of_tiles(losses, codes, loss[1], None, tile, WINDOWS)
    until = {part: np.cumsum(of_part, axis=0) for part, of_part in sums.items()}
    starts = START + (TRAINING + REFERENCE + np.arange(WINDOWS, dtype=np.int64)) * DAY
    outcomes = np.cumsum(np.bincount(tile[planted[now]], minlength=WINDOWS))
    margins = margins_of(baseline, STANDARD)
    for at in range(WINDOWS):
        parts = {part: of_part[: at + 1] for part, of_part in until.items()}
        tiles = LossTiles(starts[: at + 1], int(starts[at]) + DAY, int(starts[at]) + DAY - 1, parts)
        yield find_slice_change(baseline, tiles, SLICE_LEVEL, margins), int(outcomes[at])


def _planted(history: History) -> Callable[[int, Random], Figures]:
    """Return in how many histories the planted slice is named when it has 200 outcomes, and any innocent one ever."""

    def measure(histories: int, rng: Random) -> Figures:
        named = innocent = 0
        for _ in range(histories):
            changes = list(history.changes(rng))
            enough = next(change for change, outcomes in changes if outcomes >= ENOUGH)
            named += enough is not None and history.is_planted(enough)
            innocent += any(change is not None and not history.is_planted(change) for change, _ in changes)
        return {"found": named / histories, "innocent": innocent / histories}

    return measure


def _innocent(history: History) -> Callable[[int, Random], Figures]:
    """Return in which fraction of the windows a slice is named."""

    def measure(windows: int, rng: Random) -> Figures:
        named = [change is not None for _ in range(max(1, windows // WINDOWS)) for change, _ in history.changes(rng)]
        return {"named": sum(named) / len(named)}

    return measure


WEAKEST = History("permuted", "BE")
"""The fault that is hardest to find: a small rise of the loss, in a twentieth of the rows."""


def _claims() -> dict[str, Promise]:
    quiet = {
        "quiet": ("nothing changes", History()),
        "quiet-apart": ("nothing changes; each country has days of its own (σ 0.3)", History(apart=0.3)),
        "quiet-number": ("a regression; nothing changes", History(number=True)),
        "harder": ("the outcomes of a country were always random", History(harder=True)),
    }
    everywhere = {
        "all-reversed": ("the labels of all rows are reversed", History("reversed")),
        "all-permuted": ("the scores of all rows are permuted", History("permuted")),
        "all-broken": ("an input is constant in all rows", History("broken")),
        "all-rate": ("40 % of all negatives become positive", History("rate")),
        "all-effect": ("the effect of a number is reversed in all rows", History("effect")),
        "all-odds": ("the log odds of all rows rise by 1", History("odds")),
        "all-number": ("a regression; its predictions are permuted", History("permuted", number=True)),
    }
    where: dict[Where, str] = {"BE": "a country of 5 %", "FR": "a country of 20 %", "range": "10 % of a number"}
    what: dict[Fault, str] = {
        "reversed": "labels reversed in {}",
        "permuted": "scores permuted in {}",
        "broken": "an input constant in {}",
    }
    claims = [
        Promise(f"slice-change-{name}", _innocent(history), 1_050, words, 21, most=0.001, rare="named")
        for name, (words, history) in quiet.items()
    ]
    claims += [
        Promise(f"slice-change-{name}", _innocent(history), 210, words, 21, most=0.02, rare="named")
        for name, (words, history) in everywhere.items()
    ]
    for place, place_words in where.items():
        for fault, words in what.items():
            history = History(fault, place)
            sentence = words.format(place_words)
            least = 0.5 if history == WEAKEST else 0.8
            claims.append(Promise(f"slice-change-{place}-{fault}", _planted(history), 10, sentence, 1, least=least))
    number = History("reversed", "BE", number=True)
    claims.append(
        Promise(
            "slice-change-number-BE",
            _planted(number),
            20,
            "a regression; signs reversed in a country of 5 %",
            1,
            least=0.8,
        )
    )
    return {claim.name: claim for claim in claims}


CLAIMS = _claims()

SLICE_CHANGES = Table(
    "slice_changes",
    CLAIMS,
    text(CLAIMS, lambda figures: f"; an innocent slice in {100 * figures['innocent']:.0f} %"),
)
