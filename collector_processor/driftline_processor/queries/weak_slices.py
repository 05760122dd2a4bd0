"""Search of weak slices in stored rows with features and outcomes, and the facade of all queries of the state.

The search runs on request and not with every evaluation, because late labels revise a window every second, and
a search reads all of its rows.
"""

from __future__ import annotations

from driftline.tables.table import ModelKey
from msgspec import Struct

from driftline_processor.core.evaluation import Evaluation, WeakSearch
from driftline_processor.core.weak_slices.search import weak_slices
from driftline_processor.store.baselines import Baselines
from driftline_processor.store.database import Store
from driftline_processor.store.row_losses import read_row_losses
from driftline_processor.store.series import SeriesRegister

from .baselines import BaselineShelf
from .feature_history import FeatureHistories
from .history import History
from .label_queue import LabelQueue
from .mispredictions import Mispredictions
from .predictions import KeptPredictions
from .result_tables import ResultTables
from .snapshot import Snapshots
from .unknown_outcomes import OutcomeReview


class Queries(Struct, frozen=True, kw_only=True):
    """All queries of the state file. Thread-safe.

    Attributes:
        baselines: Active baselines, and baselines from production data.
        predictions: Single predictions.
        mispredictions: The worst predictions.
        history: Past outcomes and evaluations.
        features: Features over windows.
        labels: Selection of predictions to label next.
        weak_slices: Search of slices in which a model is weak.
        weak_slices_of_windows: The same search, cached for open pages.
        exports: Rows as one Parquet file.
        results: Results as tables.
        outcome_review: Outcomes that cannot be used as far as is known now.
    """

    baselines: BaselineShelf
    predictions: KeptPredictions
    mispredictions: Mispredictions
    history: History
    features: FeatureHistories
    labels: LabelQueue
    weak_slices: WeakSliceSearch
    weak_slices_of_windows: WeakSlicesOfWindows
    exports: Snapshots
    results: ResultTables
    outcome_review: OutcomeReview


class WeakSlicesOfWindows:
    """Cached searches for pages, which repeat a request every few seconds while open. Thread-safe."""

    def __init__(self, source: WeakSliceSearch) -> None:
        self._source = source
        self._last: dict[ModelKey, tuple[Evaluation, WeakSearch | None]] = {}

    def of(self, key: ModelKey, evaluation: Evaluation) -> WeakSearch | None:
        """Search the rows of a window as :meth:`WeakSliceSearch.search`; repeated only after a revision."""
        last_search = self._last.get(key)
        if last_search is not None and last_search[0] is evaluation:
            return last_search[1]
        weak_slices = self._source.search(key, evaluation.window.start, evaluation.window.end)
        # 32: models with a cached search
        self._last = dict([*self._last.items(), (key, (evaluation, weak_slices))][-32:])
        return weak_slices


class WeakSliceSearch:
    """Search of weak slices. Thread-safe."""

    def __init__(self, store: Store, series: SeriesRegister, baselines: Baselines) -> None:
        self._store, self._series, self._baselines = store, series, baselines

    def search(self, key: ModelKey, since: int, until: int) -> WeakSearch | None:
        """Search the rows that were predicted in ``[since, until)``, unix nanoseconds, over the baseline's bins.

        None without a baseline, without stored features, or with too few known outcomes.
        """
        series = self._series.find(key)
        in_force = self._baselines.in_force(key)
        if series is None or in_force is None:
            return None
        baseline, keep = in_force.baseline, self._series.settings(key.model).keep_features
        with self._store.reading() as connection:
            rows = read_row_losses(connection, series, baseline, since, until, keep)
        if rows is None:
            return None
        codes = {name: (baseline.bins.features[name], codes) for name, codes in rows.codes.items()}
        return weak_slices(codes, rows.losses, rows.weight, rows.time)
