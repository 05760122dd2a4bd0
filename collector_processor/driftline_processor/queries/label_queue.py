"""Select predictions without an outcome to label next; see :mod:`~driftline_processor.core.labels`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import Bins, count
from driftline.tables.table import F64, I64, Column, ModelKey
from msgspec import Struct

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.labels.sampling import (
    FLOOR,
    REASONS,
    ChosenRows,
    Reason,
    bin_rise,
    draw_rows,
    drift_of_rows,
    row_lots,
    uncertainty,
    weakness_of_rows,
)
from driftline_processor.core.performance.slices import slice_badness
from driftline_processor.core.windows.window import length
from driftline_processor.evaluation.evaluation_store import EvaluationStore
from driftline_processor.store.arrow_tables import integers_of, numbers_of, numbers_of_ids, scores_of, slice_of
from driftline_processor.store.baselines import Baselines
from driftline_processor.store.database import Connection, Store, number, read
from driftline_processor.store.feature_rows import read_features
from driftline_processor.store.pruning import ROWS_APART, days_of, lies_near
from driftline_processor.store.series import Series, SeriesRegister

MOST_LOOKED_AT = 200_000
"""Upper limit of rows that are read: those with the smallest random lots if there are more."""

# Rows without an outcome, and labelled rows that were drawn before, whose probability changes.
_ASKED = """
FROM predictions p LEFT JOIN joined j ON j.prediction = p.seq AND j.time >= ? AND j.time < ?
WHERE p.series = ? AND p.time >= ? AND p.time < ? AND p.id <> ''
    AND (j.prediction IS NULL OR j.weight > coalesce(p.weight, 1))
"""
_ROWS = """
SELECT p.seq, p.id, p.time, p.score, p.scores, p.predicted, p.slices, coalesce(p.weight, 1) / j.weight AS before
FROM predictions p SEMI JOIN wanted ON wanted.seq = p.seq LEFT JOIN joined j ON j.prediction = p.seq
WHERE {} ORDER BY p.seq
"""
_SAID = """
SELECT j.prediction, o.id, o.environment, o.time, o.actual, o.number, o.value, o.slices
FROM joined j SEMI JOIN wanted ON wanted.seq = j.prediction JOIN outcomes o ON o.seq = j.outcome
"""


class LabelCandidate(Struct, frozen=True):
    """One prediction to label.

    Attributes:
        reasons: From 0 to 1 each.
        probability: Probability with which it was drawn.
    """

    id: str
    time: int
    score: float | None
    predicted: str | None
    slices: Mapping[str, str]
    reasons: Mapping[Reason, float]
    probability: float


class ReweightedLabel(Struct, frozen=True):
    """The label of a row that was drawn before, with its new ``probability``.

    Attributes:
        prediction_time: Unix nanoseconds.
        environment: None if the label has none.
        time: Unix nanoseconds.
    """

    id: str
    prediction_time: int
    environment: str | None
    time: int
    actual: str | float | None
    value: float | None
    slices: Mapping[str, str]
    probability: float


class LabelBatch(Struct, frozen=True):
    """A selection of rows to label.

    ``rows``: the rows, the most informative first. ``candidates``: number of rows without an outcome. ``labelled``:
    existing labels with a changed probability.
    """

    rows: tuple[LabelCandidate, ...] = ()
    labelled: tuple[ReweightedLabel, ...] = ()
    candidates: int = 0


class LabelQueue:
    """Selection of rows to label. Thread-safe."""

    def __init__(
        self, store: Store, series: SeriesRegister, baselines: Baselines, evaluations: EvaluationStore
    ) -> None:
        self._store, self._series, self._baselines, self._evaluations = store, series, baselines, evaluations

    def next(self, key: ModelKey, since: int, until: int, most: int, by: Collection[Reason] = REASONS) -> LabelBatch:
        """Draw at most ``most`` predictions of ``[since, until)``, unix nanoseconds, without an outcome.

        ``by``: reasons that raise the probability; without reasons all rows are equally likely. Predictions without an
        id cannot be labelled.
        """
        series = self._series.find(key)
        if series is None:
            return LabelBatch()
        with self._store.reading() as connection:
            return self._draw(connection, series, (since, until), most, by)

    def _draw(
        self, connection: Connection, series: Series, stretch: tuple[int, int], most: int, by: Collection[Reason]
    ) -> LabelBatch:
        unknown = f"SELECT count(*) {_ASKED} AND j.prediction IS NULL"
        candidates = number(connection, unknown, *stretch, series.number, *stretch)
        least_rows, reach = _smallest_lots(connection, series, stretch)
        where = lies_near("p.seq", least_rows, ROWS_APART)
        rows = read(connection, _ROWS.format(where.sql), *where.parameters, wanted=pa.table({"seq": least_rows}))
        speaking = self._reasons(connection, series, rows, by)
        sizes = np.full(len(rows), FLOOR) + sum(speaking.values(), np.zeros(len(rows)))
        draw = draw_rows(sizes, _lots(rows), numbers_of(rows, "before"), most, reach)
        order = np.argsort(-sizes[draw.new.rows], kind="stable")
        row_indices, rows_to_label = draw.new.rows[order], []
        probability = draw.new.probability[order].tolist()
        for row, p, place in zip(
            rows.take(pa.array(row_indices)).to_pylist(), probability, row_indices.tolist(), strict=True
        ):
            why = {reason: float(values[place]) for reason, values in speaking.items()}
            slices = dict(row["slices"] or ())
            rows_to_label.append(
                LabelCandidate(
                    id=row["id"],
                    time=row["time"],
                    score=row["score"],
                    predicted=row["predicted"],
                    slices=slices,
                    reasons=why,
                    probability=p,
                )
            )
        return LabelBatch(tuple(rows_to_label), _labelled(connection, rows, draw.redraw), candidates or 0)

    def _reasons(
        self, connection: Connection, series: Series, rows: pa.Table, by: Collection[Reason]
    ) -> dict[Reason, F64]:
        """Return the reasons to label each row."""
        reasons: dict[Reason, F64] = {}
        scores, newest = scores_of(rows, series.task.score_columns), self._newest(series)
        unsure = uncertainty(series.task, scores) if "uncertain" in by else None
        if unsure is not None:
            reasons["uncertain"] = unsure
        in_force = self._baselines.in_force(series.key)
        if "drifted" in by and in_force is not None and newest is not None:
            features = read_features(connection, series.number, integers_of(rows, "seq"))
            if scores is not None:
                features = {**features, "": Column(numbers=series.task.monitored_score(scores))}
            reasons["drifted"] = drift_of_rows(_risen(in_force.baseline, newest, features), features, len(rows))
        if "weak" in by and newest is not None and (worse := slice_badness(newest)):
            keys = dict.fromkeys(name.partition("=")[0] for name in worse)
            reasons["weak"] = weakness_of_rows({key: slice_of(rows, key) for key in keys}, worse, len(rows))
        return reasons

    def _newest(self, series: Series) -> Evaluation | None:
        """Return the newest closed window of the model's longest windows."""
        history = self._evaluations.history(series.number)
        for name in sorted(history, key=length, reverse=True):
            closed = [evaluation for evaluation in history[name].values() if evaluation.closed]
            if closed:
                return closed[-1]
        return None


def _smallest_lots(connection: Connection, series: Series, stretch: tuple[int, int]) -> tuple[I64, float]:
    """Return the rows with the smallest lots, and the lot up to which they are complete: 1 for all rows."""
    seq, lot, reach = np.empty(0, np.int64), np.empty(0), 1.0
    for day in days_of(connection, series.number, *stretch):
        more = read(connection, f"SELECT p.seq, p.id {_ASKED}", *day, series.number, *day)
        seq, lot = np.concatenate([seq, integers_of(more, "seq")]), np.concatenate([lot, _lots(more)])
        if len(seq) > MOST_LOOKED_AT:
            order = np.argpartition(lot, MOST_LOOKED_AT)
            reach, order = min(reach, float(lot[order[MOST_LOOKED_AT]])), order[:MOST_LOOKED_AT]
            seq, lot = seq[order], lot[order]
    return seq, reach


def _lots(rows: pa.Table) -> F64:
    """Return the lots of rows, computed from ids, because a label belongs to all versions that scored its id."""
    return row_lots(numbers_of_ids(rows["id"]))


def _labelled(connection: Connection, rows: pa.Table, chosen_rows: ChosenRows) -> tuple[ReweightedLabel, ...]:
    """Return the labels of rows that were drawn before."""
    if not len(chosen_rows.rows):
        return ()
    chosen_table = rows.take(pa.array(chosen_rows.rows))
    row_by_prediction = {
        row["prediction"]: row for row in read(connection, _SAID, wanted=chosen_table.select(["seq"])).to_pylist()
    }
    labelled_rows = []
    for seq, time, p in zip(
        chosen_table["seq"].to_pylist(), chosen_table["time"].to_pylist(), chosen_rows.probability.tolist(), strict=True
    ):
        statement = row_by_prediction[seq]
        actual = statement["actual"] if statement["number"] is None else statement["number"]
        fields = (
            statement["environment"],
            statement["time"],
            actual,
            statement["value"],
            dict(statement["slices"] or ()),
        )
        labelled_rows.append(ReweightedLabel(statement["id"], time, *fields, p))
    return tuple(labelled_rows)


def _risen(baseline: Baseline, newest: Evaluation, features: Mapping[str, Column]) -> dict[str, tuple[Bins, F64]]:
    """Return feature → its bins and their relative increase, for drifted features; "" is the score."""
    risen_features: dict[str, tuple[Bins, F64]] = {}
    drifting = {name for name, column in newest.features.items() if column.state == "drift"}
    over: dict[str, tuple[str, Bins]] = {
        name: (f"feature:{name}", bins) for name, bins in baseline.bins.features.items() if name in drifting
    }
    if newest.score is not None and newest.score.state == "drift" and baseline.bins.score is not None:
        over[""] = ("score", baseline.bins.score)
    for name, (part, bins) in over.items():
        was = baseline.pane.parts.get(part)
        if name in features and was is not None:
            risen_features[name] = (bins, bin_rise(bins, was, count(bins, features[name])))
    return risen_features
