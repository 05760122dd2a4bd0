"""One interface for what is read from the state file when somebody asks: rows, histories, searches, baselines."""

from __future__ import annotations

from msgspec import Struct

from .baselines import BaselineShelf
from .feature_history import FeatureHistories
from .history import History
from .label_queue import LabelQueue
from .mispredictions import Mispredictions
from .predictions import KeptPredictions
from .snapshot import Snapshots
from .weak_slices import WeakSliceSearch, WeakSlicesOfWindows


class Queries(Struct, frozen=True, kw_only=True):
    """What pages, the API and policies read from the state file. Any thread may use it.

    Attributes:
        baselines: Baselines in force, and those built from production.
        predictions: Single predictions.
        mispredictions: The most wrong predictions.
        history: Outcomes and evaluations of earlier times.
        features: The values of features, window by window.
        labels: Which predictions to label next.
        weak_slices: Searches slices in which a model is weak.
        weak_slices_of_windows: The same search, remembered for pages that stay open.
        exports: Rows as one Parquet file.
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
