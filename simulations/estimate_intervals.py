"""How often intervals of estimates hold what is realized, through the code itself: evidence/estimates.json.

Every window has a baseline of its own, and outcomes as likely in both as features say: what estimates assume. Rows of a
shifted window are as far from the baseline's as is said, in standard deviations of what matters most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.estimation import Entries, RowGroups, class_sums, loss_sums, score_grid
from driftline.panes.pane import Pane
from driftline.tables.table import F64, Column
from driftline.tables.task import Task
from driftline_processor.core.drift.multivariate.classifier import Points
from driftline_processor.core.estimate.estimator import estimate_metrics
from driftline_processor.core.estimate.importance_weighting import LabelledRows, estimate_by_weights, ratios
from driftline_processor.core.estimate.sums import score_parts_of
from driftline_processor.core.evaluation import Estimate
from driftline_processor.core.histogram import Explicit
from driftline_processor.core.performance.realized import from_rows

from simulations.frame import Figures, Random, Row, Table, percent, table_of

BINARY = Task("binary", ("0", "1"), "1")
CLASSES = ("a", "b", "c")
THREE = Task("multiclass", CLASSES)
REGRESSION = Task("regression")

Found = tuple[Mapping[str, Estimate], Mapping[str, float | None]]
"""What is estimated of a window, and what was realized."""


@dataclass(frozen=True)
class Held(Row):
    """``what``: was done."""

    what: str


def holding(draw: Callable[[Random], Found]) -> Callable[[int, Random], Figures]:
    """Return how often intervals hold what is realized: of all metrics, and of the one that they hold least."""

    def measure(runs: int, rng: Random) -> Figures:
        held: dict[str, list[bool]] = {}
        given = asked = 0
        for _ in range(runs):
            said, real = draw(rng)
            for name, one in said.items():
                value = real.get(name)
                asked += 1
                if one.low is None or one.high is None or value is None:
                    continue
                given += 1
                held.setdefault(name, []).append(one.low <= value <= one.high)
        shares = {name: float(np.mean(one)) for name, one in held.items() if len(one) >= runs / 2}
        least = min(shares, key=lambda name: shares[name]) if shares else ""
        whole = float(np.mean(list(shares.values()))) if shares else None
        return {"covered": whole, "least": shares.get(least), "metric": least, "given": given / max(asked, 1)}

    return measure


def _realized(task: Task, scores: F64, actual: Column) -> dict[str, float | None]:
    return {name: one.value for name, one in from_rows(task, scores, None, actual, None).items()}


def _pane(parts: list[Entries], n: int) -> Pane:
    return Pane({"rows": np.full(3, float(n))} | {one.part: one.dense(1)[0] for one in parts})


@dataclass(frozen=True)
class Scored:
    """Scores and outcomes: scores are normal on the logit scale, outcomes as likely as a line in it says."""

    middle: float = -0.5
    spread: float = 1.5
    slope: float = 0.7
    higher: float = 0.2

    def rows(self, n: int, shift: float, rng: Random) -> tuple[F64, F64]:
        """Draw scores and outcomes, float64 (n,)."""
        logit = rng.normal(self.middle + self.spread * shift, self.spread, n)
        chance = 1 / (1 + np.exp(-(self.slope * logit + self.higher)))
        return 1 / (1 + np.exp(-logit)), (rng.random(n) < chance).astype(np.float64)


UNCALIBRATED = Scored()


DAY = 86_400 * 10**9


def by_days(days: int, each: int, apart: float, *, timed: bool = True) -> Callable[[Random], Found]:
    """Draw a day of a binary model whose days differ in scores and in outcomes, by ``apart`` in logits.

    Without times, a day is ``each`` consecutive rows.
    """

    def rows(rng: Random) -> tuple[F64, F64]:
        scores, outcomes = rng.normal(0, apart, 2).tolist()
        return Scored(-0.5 + scores, 1.3, 1.0, outcomes).rows(each, 0.0, rng)

    def draw(rng: Random) -> Found:
        p, y = np.concatenate([np.stack(rows(rng)) for _ in range(days)], axis=1)
        time = (np.arange(days * each) * (DAY // each)).astype("datetime64[ns]")
        frame = {"p": p, "y": y} | ({"t": time} if timed else {})
        column = "t" if timed else None
        built = Baseline.from_frame(frame, score="p", actual="y", time=column, features=[], model="m", task="binary")
        p, y = rows(rng)
        pane = _pane(score_grid(BINARY, p[:, np.newaxis], None, None, np.zeros(each, np.int64)), each)
        found = estimate_metrics(pane, built, BINARY, DAY if timed else 0)
        return found, _realized(BINARY, p[:, np.newaxis], Column(numbers=y))

    return draw


def binary(
    reference: int, n: int, shift: float, buckets: int = 0, world: Scored = UNCALIBRATED
) -> Callable[[Random], Found]:
    """Draw a window of a binary model; ``buckets``: of an exported histogram, 0 of rows."""

    def draw(rng: Random) -> Found:
        p, y = world.rows(reference, 0.0, rng)
        built = Baseline.from_frame({"p": p, "y": y}, score="p", actual="y", features=[], model="m", task="binary")
        p, y = world.rows(n, shift, rng)
        if buckets:
            edges = np.linspace(0, 1, buckets + 1)[1:-1]
            counts = np.bincount(np.searchsorted(edges, p), minlength=buckets).astype(np.float64)
            pane = Pane({"rows": np.full(3, float(n)), **score_parts_of(Explicit(edges, counts), built, 0.5)})
        else:
            pane = _pane(score_grid(BINARY, p[:, np.newaxis], None, None, np.zeros(n, np.int64)), n)
        return estimate_metrics(pane, built, BINARY, 0), _realized(BINARY, p[:, np.newaxis], Column(numbers=y))

    return draw


def _three(n: int, shift: float, rng: Random) -> tuple[F64, Column]:
    raw = rng.normal(0, 1.5, (n, len(CLASSES)))
    raw[:, 0] += 0.8 + 1.5 * shift
    likely = np.exp(0.8 * raw + np.array([0.0, 0.15, 0.3]))
    reached = np.cumsum(likely / likely.sum(axis=1, keepdims=True), axis=1)
    actual = np.minimum((rng.random((n, 1)) > reached).sum(axis=1), len(CLASSES) - 1).astype(np.int32)
    scores = np.exp(raw)
    return scores / scores.sum(axis=1, keepdims=True), Column(codes=actual, categories=CLASSES)


def multiclass(reference: int, n: int, shift: float) -> Callable[[Random], Found]:
    """Draw a window of a model of three classes."""

    def draw(rng: Random) -> Found:
        s, y = _three(reference, 0.0, rng)
        assert y.codes is not None
        frame = {name: s[:, at] for at, name in enumerate(CLASSES)} | {"y": np.array(CLASSES)[y.codes]}
        built = Baseline.from_frame(
            frame, score=list(CLASSES), actual="y", features=[], model="m", task="multiclass", classes=list(CLASSES)
        )
        s, y = _three(n, shift, rng)
        assert built.extras.estimation is not None
        sums = class_sums(THREE, s, None, RowGroups(np.zeros(n, np.int64), 1), built.extras.estimation.classes)
        return estimate_metrics(_pane(sums, n), built, THREE, 0), _realized(THREE, s, y)

    return draw


def _values(n: int, shift: float, rng: Random) -> tuple[dict[str, F64], F64, F64]:
    """Features, predictions, and what happened: further off where ``x`` is high."""
    features = {"x": rng.normal(shift, 1, n), "z": rng.normal(0, 1, n)}
    predicted = 10 + 2 * features["x"] + features["z"]
    return features, predicted, predicted + rng.normal(0, 1, n) * np.exp(0.4 * features["x"] - 0.3)


def regression(reference: int, n: int, shift: float) -> Callable[[Random], Found]:
    """Draw a window of a regression; MAPE, of which values near 0 decide, is not looked at."""

    def draw(rng: Random) -> Found:
        features, p, y = _values(reference, 0.0, rng)
        built = Baseline.from_frame(
            {**features, "p": p, "y": y}, score="p", actual="y", features=list(features), model="m", task="regression"
        )
        features, p, y = _values(n, shift, rng)
        known = built.extras.estimation
        assert known is not None
        assert known.losses is not None
        columns = {name: Column(numbers=one) for name, one in features.items()}
        sums = loss_sums(columns, p[:, np.newaxis], RowGroups(np.zeros(n, np.int64), 1), built.bins, known.losses)
        found = estimate_metrics(_pane(sums, n), built, REGRESSION, 0)
        said = {name: one for name, one in found.items() if name != "mape"}
        return said, _realized(REGRESSION, p[:, np.newaxis], Column(numbers=y))

    return draw


def _placed(n: int, shift: float, rng: Random) -> tuple[Points, F64, Column]:
    """Rows of a model that is better where the first coordinate is high."""
    z = rng.normal(0, 1, (n, 4))
    z[:, 0] += shift
    z[:, 1] *= 1 + 0.2 * shift
    logit = 1.2 * z[:, 1] + 0.8 * z[:, 0] - 0.3
    chance = 1 / (1 + np.exp(-(logit * (0.6 + 0.4 * np.tanh(z[:, 0])) + 0.3 * z[:, 2])))
    actual = Column(numbers=(rng.random(n) < chance).astype(np.float64))
    return Points(("a", "b", "c", "d"), z, np.zeros(z.shape, bool)), (1 / (1 + np.exp(-logit)))[:, np.newaxis], actual


def _aged(n: int, shift: float, rng: Random) -> tuple[Points, F64, Column]:
    """Rows of a model that errs in half of the rows whose first coordinate is beyond 1.7, and in a tenth of others."""
    z = rng.normal(0, 1, (n, 4))
    z[:, 0] = rng.uniform(-1.7 + shift, 1.7 + shift, n)
    logit = 2 * z[:, 1]
    wrong = rng.random(n) < np.where(z[:, 0] > 1.7, 0.5, 0.1)
    actual = Column(numbers=((logit > 0) ^ wrong).astype(np.float64))
    return Points(("a", "b", "c", "d"), z, np.zeros(z.shape, bool)), (1 / (1 + np.exp(-logit)))[:, np.newaxis], actual


def importance(
    reference: int, n: int, shift: float, rows: Callable[[int, float, Random], tuple[Points, F64, Column]] = _placed
) -> Callable[[Random], Found]:
    """Draw a window that is estimated by weighted rows of the reference."""

    def draw(rng: Random) -> Found:
        was, scores, actual = rows(reference, 0.0, rng)
        now, current, happened = rows(n, shift, rng)
        weights = ratios(was, now, rng)
        said = (
            {} if weights is None else estimate_by_weights(BINARY, LabelledRows(actual, scores, None), weights, n, {})
        )
        return said, _realized(BINARY, current, happened)

    return draw


def _rows() -> Iterator[Held]:
    for reference in (500, 2_000, 20_000):
        for n in (200, 2_000, 20_000):
            for shift in (0.0, 0.7):
                name = f"binary-{reference}-{n}-{shift}"
                what = f"two classes, baseline of {reference:,} rows, window of {n:,}, shift {shift}"
                yield Held(name, holding(binary(reference, n, shift)), 300, what)
    for buckets in (10, 20):
        what = f"two classes, from a histogram of {buckets} buckets, baseline of 2,000 rows, window of 2,000, shift 0.7"
        yield Held(f"histogram-{buckets}", holding(binary(2_000, 2_000, 0.7, buckets)), 300, what)
    for name, share, world in (
        ("few", "5 %", Scored(-3.5, 1.2, 1, 0)),
        ("some", "8 %", Scored(-3, 1.2, 1, 0)),
        ("most", "95 %", Scored(3.5, 1.2, 1, 0)),
    ):
        for reference, n in ((5_000, 2_000), (20_000, 5_000)):
            what = f"two classes, {share} positive, baseline of {reference:,} rows, window of {n:,}"
            yield Held(f"positives-{name}-{n}", holding(binary(reference, n, 0.0, world=world)), 300, what)
    for shift in (1.0, 2.0, 4.0):
        what = f"two classes, scores {shift:g} standard deviations higher, baseline of 5,000 rows, window of 2,000"
        yield Held(f"higher-{shift}", holding(binary(5_000, 2_000, shift, world=Scored(-2, 0.7, 1, 0))), 300, what)
    for name, world in (("no", Scored(3, 1, 1, 0.5)), ("yes", Scored(-3, 1, 1, -0.5))):
        for n in (2_000, 20_000):
            what = f"two classes, one row in 700 is decided {name!r}, baseline and window of {n:,} rows"
            yield Held(f"rarely-{name}-{n}", holding(binary(n, n, 0.0, world=world)), 300, what)
    for days in (7, 14, 90):
        what = f"two classes, a day of 400 rows of a baseline of {days} days that differ"
        yield Held(f"unlike-days-{days}", holding(by_days(days, 400, 0.3)), 300, what)
    what = "two classes, 400 rows of a baseline of 30 times 400 consecutive rows without times that differ"
    yield Held("unlike-rows", holding(by_days(30, 400, 0.3, timed=False)), 300, what)
    for shift in (0.0, 0.2, 1.7):
        what = (
            f"by importance weights, baseline of 5,000 rows, window of 2,000, of which {shift / 3.4:.0%} lie beyond it"
        )
        yield Held(f"aged-{shift}", holding(importance(5_000, 2_000, shift, _aged)), 60, what.replace("%", " %"))
    kinds: tuple[tuple[str, str, Callable[[int, int, float], Callable[[Random], Found]], int, tuple[int, ...]], ...] = (
        ("multiclass", "three classes", multiclass, 300, (500, 2_000, 20_000)),
        ("regression", "a regression", regression, 60, (500, 2_000)),
        ("weighted", "by importance weights", importance, 200, (500, 2_000, 10_000)),
    )
    for kind, said, draw, runs, references in kinds:
        for reference in references:
            for n in (200, 2_000):
                for shift in (0.0, 0.3, 1.0) if kind != "weighted" else (0.0, 1.0):
                    what = f"{said}, baseline of {reference:,} rows, window of {n:,}, shift {shift}"
                    yield Held(f"{kind}-{reference}-{n}-{shift}", holding(draw(reference, n, shift)), runs, what)


ROWS = {row.name: row for row in _rows()}


HEAD = ["what", "have an interval", "hold what is realized", "least of a metric"]


def _told(_: Held, found: Figures) -> list[str]:
    given = percent(found["given"])
    if found["least"] is None:
        return [given, "–", "–"]
    whole = f"{percent(found['covered'])} of {found['windows']:,}"
    return [given, whole, f"{percent(found['least'])} ({found['metric']})"]


ESTIMATES = Table("estimates", ROWS, table_of(ROWS, HEAD, _told))
