"""The rows of a window that have outcomes and stored features, with the loss of each."""

from __future__ import annotations

import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import assign
from driftline.tables.row_losses import losses_of

from driftline_processor.config.values import Keep
from driftline_processor.core.explain.loss_evidence import RowLosses
from driftline_processor.core.weak_slices.search import rows_to_search

from .arrow_tables import actual_of, integers_of, numbers_of, scores_and_classes_of
from .database import Connection, read
from .feature_rows import SAMPLE, read_features, sample_parameters
from .series import Series

_ROWS = (
    f"SELECT j.* FROM joined j SEMI JOIN ({SAMPLE}) k ON k.prediction = j.prediction"
    " WHERE j.series = ? AND j.time >= ? AND j.time < ? ORDER BY j.prediction"
)


def read_row_losses(
    connection: Connection, series: Series, baseline: Baseline, since: int, until: int, keep: Keep
) -> RowLosses | None:
    """Return the rows that were predicted in ``[since, until)``, unix nanoseconds; None without any.

    Args:
        connection: Connection to the store.
        series: The model, version and environment.
        baseline: Baseline whose bins are the codes.
        since: First moment.
        until: End.
        keep: The rows of each day whose features are stored.
    """
    sample = sample_parameters(series.number, since, until, keep)
    rows = read(connection, _ROWS, *sample, series.number, since, until)
    time = integers_of(rows, "time")
    losses = losses_of(series.task, *scores_and_classes_of(series.task, rows), actual_of(rows))
    if not losses:
        return None
    chosen = rows_to_search(losses, time)
    rows = rows.take(pa.array(chosen))
    features = read_features(connection, series.number, integers_of(rows, "prediction"))
    bins = baseline.bins.features
    codes = {name: assign(bins[name], features[name]) for name in bins if name in features}
    known = {by: values[chosen] for by, values in losses.items()}
    return RowLosses(codes, known, numbers_of(rows, "weight"), time[chosen]) if codes else None
