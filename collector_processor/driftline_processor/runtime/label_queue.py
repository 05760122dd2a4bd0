"""Which predictions of a model to label next: drawn from those whose outcome is not known, see :mod:`.core.labels`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from driftline.baseline import Baseline
from driftline.bins import Bins, count
from driftline.classes import class_text
from driftline.decided import score_columns
from driftline.fold import target_score
from driftline.tables import F64, Column, ModelKey

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.labels.next import FLOOR, REASONS, Reason, choose, drifted, rise, uncertainty, weak
from driftline_processor.core.performance.by_slice import badness
from driftline_processor.core.window import length

from .baselines import Baselines
from .beliefs import Beliefs
from .kept import read_features
from .rows import integers_of, scores_of
from .series import Series, SeriesRegister
from .store import Connection, Store, number, read

MOST_CANDIDATES = 200_000
"""Rows that are looked at; of more, as many are drawn first, evenly, and every probability counts that, too."""

_UNKNOWN = (
    "FROM predictions p ANTI JOIN joined j ON j.prediction = p.seq"
    " WHERE p.series = ? AND p.time >= ? AND p.time < ? AND p.id <> ''"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One prediction that should be labelled. ``reasons``: 0 to 1 each. ``probability``: with which it was drawn."""

    id: str
    time: int
    score: float | None
    predicted: str | None
    slices: Mapping[str, str]
    reasons: Mapping[Reason, float]
    probability: float


@dataclass(frozen=True, slots=True)
class Queue:
    """``rows``: what should be labelled, the most telling first. ``candidates``: of how many rows without outcome."""

    rows: tuple[Wanted, ...]
    candidates: int
    seed: int


class LabelQueue:
    """Any thread may ask."""

    def __init__(self, store: Store, series: SeriesRegister, baselines: Baselines, beliefs: Beliefs) -> None:
        self._store, self._series, self._baselines, self._beliefs = store, series, baselines, beliefs

    def next(
        self, key: ModelKey, since: int, until: int, most: int, seed: int, by: Collection[Reason] = REASONS
    ) -> Queue:
        """Draw at most ``most`` predictions of ``[since, until)``, unix nanoseconds, whose outcome is not known.

        ``by``: what speaks for a row; with none of them all rows are as likely. A prediction without an id cannot be
        labelled.
        """
        series = next((one for one in self._series if one.key == key), None)
        if series is None:
            return Queue((), 0, seed)
        connection = self._store.connect()
        try:
            return self._draw(connection, series, (since, until), most, seed, by)
        finally:
            connection.close()

    def _draw(
        self,
        connection: Connection,
        series: Series,
        stretch: tuple[int, int],
        most: int,
        seed: int,
        by: Collection[Reason],
    ) -> Queue:
        candidates = number(connection, f"SELECT count(*) {_UNKNOWN}", series.number, *stretch) or 0
        share = min(1.0, MOST_CANDIDATES / candidates) if candidates else 1.0
        rows = read(
            connection,
            f"SELECT p.seq, p.id, p.time, p.score, p.scores, p.predicted, p.slices {_UNKNOWN}"
            " AND hash(p.seq, ?) <= ? ORDER BY p.seq",
            *(series.number, *stretch, seed, int(share * (2**64 - 1))),
        )
        speaking = self._reasons(connection, series, rows, by)
        sizes = np.full(len(rows), FLOOR) + sum(speaking.values(), np.zeros(len(rows)))
        chosen = choose(sizes, most, np.random.default_rng(seed))
        order = np.argsort(-sizes[chosen.rows], kind="stable")
        at, probability = chosen.rows[order], chosen.probability[order] * share
        found = []
        for row, p, place in zip(rows.take(pa.array(at)).to_pylist(), probability.tolist(), at.tolist(), strict=True):
            why = {reason: float(values[place]) for reason, values in speaking.items()}
            slices = dict(row["slices"] or ())
            found.append(Wanted(row["id"], row["time"], row["score"], row["predicted"], slices, why, p))
        return Queue(tuple(found), candidates, seed)

    def _reasons(
        self, connection: Connection, series: Series, rows: pa.Table, by: Collection[Reason]
    ) -> dict[Reason, F64]:
        """What speaks for each row, of what is asked and can be told."""
        found: dict[Reason, F64] = {}
        scores, newest = scores_of(rows, score_columns(series.task)), self._newest(series)
        unsure = uncertainty(series.task, scores) if "uncertain" in by else None
        if unsure is not None:
            found["uncertain"] = unsure
        in_force = self._baselines.in_force(series.key)
        if "drifted" in by and in_force is not None and newest is not None:
            features = read_features(connection, series.number, integers_of(rows, "seq"))
            if scores is not None:
                features = {**features, "": Column(numbers=target_score(series.task, scores))}
            found["drifted"] = drifted(_risen(in_force.baseline, newest, features), features, len(rows))
        if "weak" in by and newest is not None and (worse := badness(newest)):
            keys = dict.fromkeys(name.partition("=")[0] for name in worse)
            found["weak"] = weak(_slices(rows, keys), worse, len(rows))
        return found

    def _newest(self, series: Series) -> Evaluation | None:
        """The newest closed window of the model's longest windows."""
        history = self._beliefs.history(series.number)
        for name in sorted(history, key=length, reverse=True):
            closed = [one for one in history[name].values() if one.closed]
            if closed:
                return closed[-1]
        return None


def _risen(baseline: Baseline, newest: Evaluation, features: Mapping[str, Column]) -> dict[str, tuple[Bins, F64]]:
    """Feature → its bins and how much more frequent each has become, of what drifts; "" is the score."""
    found: dict[str, tuple[Bins, F64]] = {}
    drifting = {name for name, target in newest.features.items() if target.state == "drift"}
    over: dict[str, tuple[str, Bins]] = {
        name: (f"feature:{name}", bins) for name, bins in baseline.bins.features.items() if name in drifting
    }
    if newest.score is not None and newest.score.state == "drift" and baseline.bins.score is not None:
        over[""] = ("score", baseline.bins.score)
    for name, (part, bins) in over.items():
        was = baseline.pane.parts.get(part)
        if name in features and was is not None:
            found[name] = (bins, rise(bins, was, count(bins, features[name])))
    return found


def _slices(rows: pa.Table, keys: Collection[str]) -> dict[str, Column]:
    """The slices of rows, by key."""
    found: dict[str, Column] = {}
    maps = rows["slices"].combine_chunks()
    for key in keys:
        values = pc.map_lookup(maps, pa.scalar(key), "first").dictionary_encode()
        codes = values.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        found[key] = Column(codes=codes, labels=tuple(map(class_text, values.dictionary.to_pylist())))
    return found
