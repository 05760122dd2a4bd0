"""Synthetic traffic: rows with the distributions of a model's baseline, and a model that can be called.

Features are drawn independently from the baseline's bins, so their correlations are lost. The service therefore
sends its own baseline, built from rows of the same distribution. Without a baseline the features are
:data:`INPUTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import Bins, CategoryBins, NumberBins
from driftline.tables.table import F64, I64, Column, ModelKey, length
from driftline.tables.task import Task
from driftline_processor.config.model import Model
from driftline_processor.core.windows.window import DAY, HOUR
from driftline_processor.readers.errors import BadInput
from driftline_processor.replay.traffic import Features, Traffic, values_of
from msgspec import Struct

Random = np.random.Generator
Draw = Callable[[int, Random], Column]

REFERENCE_ROWS: Final = 20_000
"""Rows of the synthetic baseline."""

STEEPNESS: Final = 1.5
"""Standard deviation of the model's log odds: its ROC AUC is about 0.8."""

NOISE: Final = 0.5
"""Standard deviation of a regression's residuals, relative to that of its predictions."""

_MONTH: Final = 30.0


def _numbers(draw: Callable[[int, Random], Any]) -> Draw:
    return lambda n, rng: Column(numbers=np.asarray(draw(n, rng), np.float64))


def _categories(categories: tuple[str, ...], shares: tuple[float, ...]) -> Draw:
    return lambda n, rng: Column(codes=rng.choice(len(categories), n, p=shares).astype(np.int32), categories=categories)


INPUTS: Mapping[str, Draw] = {
    "tenure": _numbers(lambda n, rng: np.round(rng.gamma(2.0, _MONTH / 2, n), 1) + 1),
    "monthly_charge": _numbers(lambda n, rng: np.round(rng.normal(70.0, 12.0, n), 2)),
    "calls": _numbers(lambda n, rng: rng.poisson(6.0, n)),
    "usage": _numbers(lambda n, rng: np.round(rng.lognormal(3.0, 0.5, n), 2)),
    "plan": _categories(("basic", "plus", "team"), (0.6, 0.3, 0.1)),
    "region": _categories(("east", "north", "south", "west"), (0.25, 0.25, 0.25, 0.25)),
}
"""Features of a model without a baseline."""


def synthetic_traffic(
    name: str, settings: Model, baseline: Baseline | None, start: int, days: int, rows: int, seed: int
) -> Traffic:
    """Draw the traffic of a model.

    Args:
        name: Name of the model.
        settings: Its keys in the configuration.
        baseline: Distributions of its features; None if unknown.
        start: Begin, unix nanoseconds.
        days: Number of days.
        rows: Rows per day.
        seed: Random seed.

    Raises:
        BadInput: Rows of the model cannot be drawn.
    """
    rng = np.random.default_rng(seed)
    task = _task(name, settings, baseline)
    draws = INPUTS if baseline is None else _draws(baseline)
    if not draws:
        raise BadInput(f"{name}: its baseline has no features from which rows could be generated; use --records FILE")
    reference = _features(draws, REFERENCE_ROWS, rng)
    version = "" if baseline is None else baseline.version
    model = _Model.of(task, reference)
    n, reference_time = days * rows, np.sort(start - 1 - rng.integers(0, 28 * DAY, REFERENCE_ROWS))
    features = _features(draws, n, rng)
    scores = model(features)
    delay = timedelta(hours=12) if settings.outcome_delay is None else settings.outcome_delay
    time = np.sort(start + rng.integers(0, days * DAY, n))
    took = np.maximum(1, np.minimum(rng.exponential(0.25, n), 1.0) * _nanoseconds(delay)).astype(np.int64)
    built = _baseline(
        name, version, task, reference=reference, model=model, time=reference_time, settings=settings, rng=rng
    )
    # 0.02: typical seconds per call
    return Traffic(
        key=ModelKey(name, version),
        task=built.task,
        time=time,
        number=np.arange(n, dtype=np.int64),
        features=features,
        scores=scores,
        actual=model.truth(scores, rng),
        outcome_time=time + took,
        duration=rng.lognormal(np.log(0.02), 0.4, n),
        model=model,
        baseline=built.to_json(),
        slices=_slices(settings, features, n),
    )


class _Model(Struct, frozen=True):
    """A model that uses the ranks of its first features in the reference.

    Attributes:
        task: Its task.
        levels: For each used feature, the sorted values of the reference, or the rank of each category.
        weights: Weight of each feature for each score: float64 (k, inputs).
    """

    task: Task
    levels: Mapping[str, F64 | Mapping[str, float]]
    weights: F64

    @classmethod
    def of(cls, task: Task, reference: Features) -> _Model:
        # 6: features that the model uses: with more of them each would have little weight
        names = list(reference)[:6]
        levels: dict[str, F64 | Mapping[str, float]] = {}
        for name in names:
            column = reference[name]
            numbers = column.numbers
            if numbers is not None and np.isfinite(numbers).any():
                levels[name] = np.sort(numbers[np.isfinite(numbers)])
            else:
                places = np.linspace(-1.5, 1.5, max(len(column.categories), 1))
                levels[name] = dict(zip(column.categories, places.tolist(), strict=True))
        scores = len(task.classes) if task.has_class_scores else 1
        index = np.arange(len(names))
        weights = np.array([np.cos(index * (1.0 + score) * 0.7) for score in range(scores)])
        norms = np.sqrt((weights**2).sum(axis=1, keepdims=True))
        return cls(task, levels, STEEPNESS * weights / np.maximum(norms, 1e-9))

    def __call__(self, features: Features) -> F64:
        """Return the scores of rows: float64 (n, k)."""
        inputs = np.array([self._place(name, features[name]) for name in self.levels])
        outputs = (self.weights @ inputs).T
        if self.task.has_threshold:
            return np.asarray(1 / (1 + np.exp(1.0 - outputs)), np.float64)
        if self.task.has_class_scores:
            powers = np.exp(outputs)
            return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)
        return np.asarray(100 + 10 * outputs, np.float64)

    def truth(self, scores: F64, rng: Random) -> Column:
        """Draw outcomes with the probabilities of the scores."""
        n = len(scores)
        if self.task.predicts_number:
            return Column(numbers=scores[:, 0] + 10 * NOISE * STEEPNESS * rng.normal(size=n))
        shares = scores
        if self.task.has_threshold:
            positive = self.task.positive or 0
            shares = np.empty((n, 2))
            shares[:, positive], shares[:, 1 - positive] = scores[:, 0], 1 - scores[:, 0]
        classes = (rng.random(n)[:, None] > shares.cumsum(axis=1)).sum(axis=1)
        return Column(
            codes=np.minimum(classes, len(self.task.classes) - 1).astype(np.int32), categories=self.task.classes
        )

    def _place(self, name: str, column: Column) -> F64:
        """Return the rank of each value in the reference, scaled to -1.7 to 1.7; missing values are in the middle."""
        levels = self.levels[name]
        if isinstance(levels, Mapping):
            levels_of_codes = np.array([levels.get(category, 0.0) for category in column.categories] + [0.0])
            return (
                np.zeros(length(column))
                if column.codes is None
                else np.asarray(levels_of_codes[column.codes], np.float64)
            )
        numbers = column.numbers
        if numbers is None:
            return np.zeros(length(column))
        ranks = np.searchsorted(levels, numbers) / len(levels)
        return np.where(np.isfinite(numbers), np.sqrt(12.0) * (ranks - 0.5), 0.0)


def _task(name: str, settings: Model, baseline: Baseline | None) -> Task:
    baseline_task = Task() if baseline is None else baseline.task
    kind = settings.task or baseline_task.kind or "binary"
    asked_task = Task(kind)
    if asked_task.ranks_items:
        raise BadInput(f"{name}: rankings cannot be generated; use --records FILE")
    task = baseline_task if kind == baseline_task.kind else asked_task
    usual = ("0", "1") if asked_task.has_threshold else ("a", "b", "c") if asked_task.has_class_scores else ()
    classes = settings.classes or task.classes or usual
    positive = settings.positive_class or task.positive_class or (classes[-1] if asked_task.has_threshold else "")
    threshold = task.threshold if settings.threshold is None else settings.threshold
    return Task(kind, tuple(classes), positive, threshold)


def _draws(baseline: Baseline) -> dict[str, Draw]:
    """Return the distribution of each feature of a baseline; embeddings are left out."""
    parts = baseline.pane.parts
    plain_bins = (
        (name, over) for name, over in baseline.bins.features.items() if name not in baseline.bins.projections
    )
    return {name: _of_bins(over, parts[f"feature:{name}"]) for name, over in plain_bins if f"feature:{name}" in parts}


def _of_bins(over: Bins, counts: F64) -> Draw:
    """Return a distribution with the baseline's frequency of each bin, uniform within a bin."""
    shares = np.maximum(counts[:-1], 0)  # without invalid values
    total = shares.sum()
    shares = shares / total if total > 0 else np.full(len(shares), 1 / len(shares))

    def draw(n: int, rng: Random) -> Column:
        bin_index = rng.choice(len(shares), n, p=shares)
        missing = bin_index == len(shares) - 1
        if isinstance(over, CategoryBins):
            categories = (*over.categories, "other")
            return Column(codes=np.where(missing, -1, bin_index).astype(np.int32), categories=categories)
        return Column(numbers=np.where(missing, np.nan, _within(over, np.minimum(bin_index, over.size - 1), rng)))

    return draw


def _within(over: NumberBins, bin_index: I64, rng: Random) -> F64:
    edges = over.edges
    if not len(edges):
        return np.zeros(len(bin_index))
    reach = float(edges[-1] - edges[0]) / max(len(edges) - 1, 1) or max(abs(float(edges[0])), 1.0) * 0.01
    low, high = np.concatenate([[edges[0] - reach], edges]), np.concatenate([edges, [edges[-1] + reach]])
    numbers = low[bin_index] + (high - low)[bin_index] * rng.random(len(bin_index))
    is_integral = (
        bool(np.all(edges == np.round(edges))) and float(np.median(np.diff(edges, prepend=edges[0] - 1))) <= 1.0
    )
    return np.floor(numbers) if is_integral else np.asarray(numbers, np.float64)


def _features(draws: Mapping[str, Draw], n: int, rng: Random) -> dict[str, Column]:
    return {name: draw(n, rng) for name, draw in draws.items()}


def _slices(settings: Model, features: Features, n: int) -> dict[str, Column]:
    """Return the configured slices: a feature if it has that name, else one value for all rows."""
    same = Column(codes=np.zeros(n, np.int32), categories=("all",))
    return {
        name: features[name] if name in features and features[name].codes is not None else same
        for name in settings.sliced
    }


def _baseline(
    name: str,
    version: str,
    task: Task,
    reference: Features,
    model: _Model,
    time: I64,
    settings: Model,
    rng: Random,
) -> Baseline:
    scores = model(reference)
    frame = {feature: _array(column) for feature, column in reference.items()}
    slices = {key: _array(column) for key, column in _slices(settings, reference, len(time)).items()}
    return Baseline.from_frame(
        frame,
        score=scores if task.has_class_scores else scores[:, 0],
        actual=values_of(model.truth(scores, rng)),
        time=time.astype("datetime64[ns]"),
        model=name,
        version=version,
        task=task.kind,
        classes=task.classes or None,
        positive_class=task.positive_class or None,
        threshold=task.threshold,
        text_features=(),
        slices=slices,
        seasonality=settings.seasonality,
        timezone=settings.timezone,
    )


def _array(column: Column) -> Any:
    return column.numbers if column.codes is None else np.array(values_of(column), object)


def _nanoseconds(delay: timedelta) -> float:
    return max(delay.total_seconds() * 1e9, float(HOUR) / 60)
