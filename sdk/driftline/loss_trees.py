"""A regression's expected losses, row by row: trees over the bins of its features and of what it predicts.

Direct loss estimation: a second model is taught, on the reference rows, how wrong the first one is where.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .bins import Bins, CategoryBins, assign
from .boosted import Codes, Trees, train
from .checked import by_name, floats, is_whole, rounded, short
from .fold import ModelBins
from .leaving import Leaving
from .tables import F64, Column

OUTPUTS = ("absolute_error", "squared_error", "absolute_percentage_error")

SCORE = "score"
MOST_PLACES = 250
"""A feature with more bins does not fit into a byte; none has as many."""

FEWEST_ROWS = 500
MOST_TRAINED = 50_000
MOST_INPUTS = 100

_SEED = 20_261_120


@dataclass(frozen=True, slots=True, eq=False)
class LossTrees:
    """``inputs``: the parts that are looked at, ``feature:NAME`` and ``score``. ``orders``: input → uint8 (cells,), the

    place of each cell of a category, missing and invalid among them, by how wrong its rows are. ``trees``: of
    :data:`OUTPUTS`. ``spread``: float64 (3,), the variance of a loss about what is said of it, per square of that, on
    rows held out.
    """

    inputs: tuple[str, ...]
    orders: Mapping[str, Codes]
    trees: Trees
    spread: F64

    @classmethod
    def learned(cls, cells: Mapping[str, NDArray[np.intp]], bins: ModelBins, losses: F64) -> Self | None:
        """Learn from n rows: the cell of each in each input, and its losses, float64 (n, 3); None of fewer than 500."""
        n = len(losses)
        over = _bins(bins)
        inputs = tuple(name for name in cells if over[name].size + 2 <= MOST_PLACES)[-MOST_INPUTS:]
        if n < FEWEST_ROWS or not inputs:
            return None
        rng = np.random.default_rng(_SEED)
        orders = {name: _order(cells[name], over[name], losses) for name in inputs if _labels(over[name])}
        places = np.stack([_placed(cells[name], orders.get(name)) for name in inputs])
        some = np.sort(rng.permutation(n)[:MOST_TRAINED])
        trees, held = train(np.ascontiguousarray(places[:, some]), losses[some], rng)
        tried = ~np.isnan(held[:, 0])
        said, real = np.maximum(held[tried], 0.0), losses[some][tried]
        wrong = np.nansum((real - said) ** 2, axis=0)
        squares = (said**2 * ~np.isnan(real)).sum(axis=0)
        spread = np.divide(wrong, squares, out=np.ones(len(wrong)), where=squares > 0)
        return cls(inputs, orders, trees, rounded(spread, 6))

    def predict(self, features: Mapping[str, Column], values: F64, bins: ModelBins) -> F64:
        """Return the expected losses of n rows, float64 (n, 3); ``values``: what was predicted, float64 (n,)."""
        places = np.empty((len(self.inputs), len(values)), np.uint8)
        for row, name in enumerate(self.inputs):
            places[row] = _placed(cell_of(name, features, values, bins), self.orders.get(name))
        return np.maximum(self.trees.predict(places), 0.0)

    def needs(self, features: Mapping[str, Column]) -> bool:
        """Say whether rows with these features have enough of them for it: any at all, where it looks at any."""
        named = [name.removeprefix("feature:") for name in self.inputs if name != SCORE]
        return not named or any(name in features for name in named)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "inputs": list(self.inputs),
            "orders": {name: order.tolist() for name, order in self.orders.items()},
            "trees": self.trees.to_json(),
            "spread": [short(one) for one in self.spread.tolist()],
        }

    @classmethod
    def from_json(cls, value: object, bins: ModelBins) -> Self:
        """Read them back. Raises ``ValueError`` that names the rule."""
        read, over = by_name(value), _bins(bins)
        inputs = read.get("inputs")
        if not isinstance(inputs, list) or not inputs or not all(one in over for one in inputs):
            raise ValueError("inputs must be parts that have bins")
        orders = {}
        for name, order in by_name(read.get("orders")).items():
            if name not in inputs or not isinstance(order, list) or len(order) != over[name].size + 2:
                raise ValueError(f"the order of {name!r} must have a place for each of its bins")
            if not all(is_whole(one) and 0 <= one < 256 for one in order):
                raise ValueError(f"the order of {name!r} must be bytes")
            orders[name] = np.array(order, np.uint8)
        trees, spread = Trees.from_json(read.get("trees"), len(inputs)), floats(read.get("spread"))
        if len(spread) != len(OUTPUTS) or len(trees.base) != len(OUTPUTS) or (spread < 0).any():
            raise ValueError(f"there must be {len(OUTPUTS)} outputs, each with a spread")
        return cls(tuple(inputs), orders, trees, spread)

    def leaving(self, features: Leaving) -> Self | None:
        """Return them where the bins of all they look at stay as they are."""
        named = [name.removeprefix("feature:") for name in self.inputs if name != SCORE]
        return self if all(name in features.plain for name in named) else None


def cell_of(name: str, features: Mapping[str, Column], values: F64, bins: ModelBins) -> NDArray[np.intp]:
    """Return the bin of each row in an input; a feature that the rows lack is missing in each."""
    over = _bins(bins)[name]
    column = Column(numbers=values) if name == SCORE else features.get(name.removeprefix("feature:"))
    if column is None or (column.numbers is None and column.codes is None):
        return np.full(len(values), over.size, np.intp)
    return assign(over, column)


def _bins(bins: ModelBins) -> dict[str, Bins]:
    named: dict[str, Bins] = {f"feature:{name}": over for name, over in bins.features.items()}
    return named if bins.score is None else {**named, SCORE: bins.score}


def _labels(over: Bins) -> bool:
    return isinstance(over, CategoryBins)


def _placed(cells: NDArray[np.intp], order: Codes | None) -> Codes:
    return cells.astype(np.uint8) if order is None else order[cells]


def _order(cells: NDArray[np.intp], over: Bins, losses: F64) -> Codes:
    """The place of each cell when they are ordered by their mean loss; those without rows lie in the middle."""
    width = over.size + 2
    rows = np.bincount(cells, minlength=width)
    mean = (np.bincount(cells, losses[:, 0], minlength=width) + 10 * losses[:, 0].mean()) / (rows + 10)
    order = np.empty(width, np.uint8)
    order[np.argsort(mean, kind="stable")] = np.arange(width)
    return order
