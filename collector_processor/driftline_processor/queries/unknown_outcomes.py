"""Outcomes that the processor cannot use as far as it knows now, for the answer to their sender.

They are stored nevertheless: their predictions may arrive later, and the classes of a model may change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from driftline.tables.classes import seen_classes
from driftline.tables.distinct import sorted_distinct
from driftline.tables.table import I64, OutcomeTable, take_rows

from driftline_processor.core.arrow_arrays import text_array
from driftline_processor.core.lazy_modules import pc
from driftline_processor.core.outcomes.id_form import MOST_IDS, describe_ids
from driftline_processor.core.outcomes.matching import EARLY
from driftline_processor.core.outcomes.resolution import impossible_actuals, possible_actuals_text
from driftline_processor.core.outcomes.unknown import UnknownOutcomes
from driftline_processor.present.names import near_names
from driftline_processor.store.arrow_tables import integers_of
from driftline_processor.store.database import Connection, Store, read
from driftline_processor.store.pruning import Condition, IdLookup
from driftline_processor.store.series import Series, SeriesRegister

_MOST_NAMES = 5

NEWEST = 1_000
"""Newest outcomes of a model that show why they wait."""

_NEWEST = "SELECT environment, id, time, prediction_time FROM outcomes WHERE model = ? ORDER BY seq DESC LIMIT ?"


class OutcomeReview:
    """Compares outcomes with the stored predictions and the classes of their model. Thread-safe."""

    def __init__(self, store: Store, series: SeriesRegister) -> None:
        self._store, self._series = store, series

    def unknown(self, tables: Sequence[OutcomeTable]) -> list[UnknownOutcomes]:
        """Return the outcomes that cannot be used now.

        Of models without predictions, those with a name similar to a known one are. Raises StorageOutage.
        """
        results: list[UnknownOutcomes] = []
        models = sorted({series.key.model for series in self._series})
        for table in tables:
            if table.model not in models and (near := near_names(table.model, models)):
                results.append(UnknownOutcomes("model", len(table), len(table), near=near))
            serieses = [
                series
                for series in self._series
                if series.key.model == table.model and table.environment in (None, series.key.environment)
            ]
            if table.model in models and not serieses and len(table):
                results.append(UnknownOutcomes("environment", len(table), len(table)))
            if serieses and len(table):
                results += _impossible(table, serieses)
                with self._store.reading() as connection:
                    moments = table.time, table.prediction_time
                    results += _unmatched(connection, text_array(table.id), *moments, serieses)
        return results

    def waiting(self, model: str) -> list[UnknownOutcomes]:
        """Return why the newest outcomes of a model have no prediction, with their number among the newest thousand.

        Empty if they have one. Raises StorageOutage.
        """
        serieses = [series for series in self._series if series.key.model == model]
        results: list[UnknownOutcomes] = []
        with self._store.reading() as connection:
            rows = read(connection, _NEWEST, model, NEWEST)
            for environment in rows["environment"].unique().to_pylist():
                matches = rows["environment"]
                chosen = rows.filter(pc.is_null(matches) if environment is None else pc.equal(matches, environment))
                those = [one for one in serieses if environment in (None, one.key.environment)]
                moments = integers_of(chosen, "time"), integers_of(chosen, "prediction_time")
                if those:
                    results += _unmatched(connection, chosen["id"].combine_chunks(), *moments, those)
                else:
                    results.append(UnknownOutcomes("environment", len(chosen), len(chosen)))
        return results


def _impossible(table: OutcomeTable, serieses: Sequence[Series]) -> Iterator[UnknownOutcomes]:
    """Yield the outcomes whose actual is impossible for every version; undeclared classes are still learned."""
    if any(series.task.may_have_classes and not series.declared for series in serieses):
        return
    impossible = np.ones(len(table), np.bool_)
    if table.retracted is not None:
        impossible &= ~table.retracted
    for series in serieses:
        impossible &= impossible_actuals(table.actual, series.task)
    if impossible.any():
        task = serieses[-1].task
        names = seen_classes([take_rows(table.actual, np.flatnonzero(impossible))]) if task.may_have_classes else ()
        yield UnknownOutcomes(
            "actual",
            int(impossible.sum()),
            len(table),
            classes=names[:_MOST_NAMES],
            possible=possible_actuals_text(task),
        )


def _unmatched(
    connection: Connection, ids: pa.Array, time: I64, prediction_time: I64, serieses: Sequence[Series]
) -> Iterator[UnknownOutcomes]:
    """Yield the outcomes without a prediction of their id, and those that are dated before it.

    ``time``, ``prediction_time``: int64 (n,), as in an :class:`OutcomeTable`.
    """
    encoded = ids.dictionary_encode()
    code = encoded.indices.to_numpy()
    of_model = Condition(f"t.series IN ({', '.join(str(series.number) for series in serieses)})", ())
    rows = IdLookup(connection, encoded.dictionary).predictions(of_model)
    first = np.full(len(encoded.dictionary), np.iinfo(np.int64).max)
    np.minimum.at(first, integers_of(rows, "which"), integers_of(rows, "time"))
    is_unknown = first[code] == np.iinfo(np.int64).max
    if is_unknown.any():
        unknown_ids = encoded.dictionary.take(pa.array(sorted_distinct(code[is_unknown].astype(np.int64))[:MOST_IDS]))
        newest = f"SELECT id FROM predictions t WHERE {of_model.sql} ORDER BY seq DESC LIMIT {MOST_IDS}"
        yield UnknownOutcomes(
            "id",
            int(is_unknown.sum()),
            len(ids),
            form=describe_ids(unknown_ids.to_pylist()),
            stored=describe_ids(read(connection, newest)["id"].to_pylist()),
        )
    early = ~is_unknown & (prediction_time <= 0) & (first[code] - EARLY > time)
    if early.any():
        yield UnknownOutcomes("time", int(early.sum()), len(ids))
