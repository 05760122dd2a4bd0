"""Panes of a batch job: fold rows where they are, and send only the sums to ``POST /v1/panes``.

    baseline = driftline.Baseline.load("churn.baseline.json")
    driftline.send_panes(driftline.make_panes(frame, baseline), source="nightly", epoch=20261126)

The sums are those that the processor makes of the same rows, of the functions in :mod:`driftline.panes`.
``docs/reference/panes.md`` describes the request.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from driftline.baseline.baseline import Baseline, protect_baseline
from driftline.baseline.build import ReferenceDescription, table_of
from driftline.baseline.from_frame import FrameColumns, rows_from_frame
from driftline.baseline.sections.estimation import Entries, learned_sums, score_grid
from driftline.baseline.sections.seasons import check_timezone
from driftline.baseline.sections.slices import values_of
from driftline.baseline.slice_groups import SliceKey
from driftline.capture.model_identity import Identity
from driftline.faults import logger
from driftline.inputs.dataframes import ArrayLike, FrameLike, column_of, columns_of
from driftline.outcomes import Accepted, Rejection, deliver
from driftline.panes.decisions import DECIDED, class_names, decided_classes, positions_of
from driftline.panes.fold import fold_parts
from driftline.panes.outcome_delays import PART as DELAY
from driftline.panes.outcome_delays import fold_delays
from driftline.panes.outcome_sums import LabelledRows, fold_outcomes_by
from driftline.panes.relevance import Relevance, take_rankings
from driftline.panes.sparse_sums import Sparse
from driftline.privacy.policy import Privacy, rules_in_force
from driftline.tables.classes import class_codes
from driftline.tables.column_codec import encode_column
from driftline.tables.performance_columns import GREATEST, actual_numbers, usable_weight
from driftline.tables.table import F64, I64, Column, ModelKey, PredictionTable, take_rows
from driftline.tables.text import short_record
from driftline.tables.timestamps import instants

if TYPE_CHECKING:
    from driftline.export.transport import OutcomeChannel

Span = Literal["5m", "1h", "1d"]
"""Length of a pane: five minutes, or an hour or a day of a time zone."""

REQUEST_BYTES = 16 << 20
"""Approximate maximum bytes of a request."""

MOST_PANES = 10_000
"""Maximum number of panes of a request."""

_PANE, _HOUR, _SECOND = 300 * 10**9, 3_600 * 10**9, 10**9
_ROLES = ("score", "predicted", "actual", "time")
_AT_ONCE = 64
"""Panes that are folded together: the sums of 100 features and their pairs are 280 kB per pane."""


class NoTimesError(ValueError):
    """No row has a usable time."""


class MadePane(NamedTuple):
    """The sums of one pane.

    Attributes:
        start: Unix nanoseconds.
        slice: ``key=value``; "" = all rows.
        sums: Part → float64 (width,), see :mod:`driftline.panes.pane`.
    """

    start: int
    slice: str
    sums: Mapping[str, F64]

    def __repr__(self) -> str:  # an assignment would be a field
        return short_record(self)


@dataclass(frozen=True, slots=True)
class MadePanes:
    """The result of :func:`make_panes`: panes (sums per period) of one model, version and environment.

    Attributes:
        model: Name of the model.
        version: Version of the model.
        environment: Deployment environment. None means the environment of this process's resource.
        baseline: Digest of the baseline in whose bins the rows are counted.
        span: Length of each pane.
        panes: The panes. The panes of all rows come first, then the panes of slices. The panes of each slice are in
            order of time.
        newest: Time of the newest row, in unix nanoseconds. Set it if the last panes are not finished and you will send
            them again with a later epoch. Windows that end after this time stay open. None means that all panes are
            finished.
    """

    model: str
    version: str
    environment: str | None
    baseline: str
    span: Span
    panes: Sequence[MadePane]
    newest: int | None = None

    __repr__ = short_record

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return sum(int(pane.sums["rows"][0]) for pane in self.panes if not pane.slice)

    def requests(self, source: str, epoch: int, environment: str = "") -> Iterator[tuple[int, bytes]]:
        """Yield the bodies of ``POST /v1/panes``, each with the index of its first pane.

        Args:
            source: Name of the job.
            epoch: Number of the job's run. A later run replaces the panes of an earlier run.
            environment: Deployment environment that is used if ``environment`` of the panes is None.
        """
        about = {"model": self.model, "version": self.version, "baseline": self.baseline}
        about |= {"environment": environment if self.environment is None else self.environment, "source": source}
        unfinished = {} if self.newest is None else {"newest": self.newest}
        head = json.dumps({**about, "epoch": epoch, **unfinished})[:-1].encode() + b', "packed": '
        first, size = 0, 0
        for index, pane in enumerate(self.panes):
            size += sum(map(_approximate_bytes, pane.sums.values()))
            if index > first and (size > REQUEST_BYTES or index - first >= MOST_PANES):
                yield first, head + self._packed(self.panes[first:index]) + b"}"
                first, size = index, 0
        if self.panes:
            yield first, head + self._packed(self.panes[first:]) + b"}"

    def _packed(self, panes: Sequence[MadePane]) -> bytes:
        """Return the sums of panes part by part."""
        parts: dict[str, tuple[list[int], list[F64]]] = {}
        for position, pane in enumerate(panes):
            for part, values in pane.sums.items():
                positions, sums = parts.setdefault(part, ([], []))
                positions.append(position)
                sums.append(values)
        packed: dict[str, Any] = {"span": self.span, "starts": [pane.start for pane in panes]}
        if any(pane.slice for pane in panes):
            packed["slices"] = [pane.slice for pane in panes]
        packed["sums"] = {name: _written(*of_part, len(panes)) for name, of_part in parts.items()}
        return json.dumps(packed).encode()


def make_panes(
    frame: FrameLike,
    baseline: Baseline,
    *,
    time: ArrayLike | None = None,
    score: ArrayLike | None = None,
    predicted: ArrayLike | None = None,
    actual: ArrayLike | None = None,
    outcome_time: ArrayLike | None = None,
    slices: Mapping[str, ArrayLike] | Sequence[str] = (),
    cluster: str = "",
    span: Span = "1h",
    timezone: str = "UTC",
    model: str = "",
    version: str | None = None,
    environment: str | None = None,
    privacy: Privacy | None = None,
) -> MadePanes:
    """Sum up n rows in panes (sums per period).

    The processor sums up the predictions that it receives in the same way.

    If a feature of the baseline has no column, its value is missing in each row. Columns that are not features of the
    baseline are ignored. Rows with a known outcome add to the sums from which performance is computed.

    Args:
        frame: A data frame, or a mapping from column name to values (types: :mod:`driftline.inputs`).
        baseline: Baseline of the model. The processor must have the same baseline.
        time: Time of each prediction: the name of a column, or n values. The defaults of ``time``, ``score``,
            ``predicted`` and ``actual`` are the columns that the baseline names. A default is used only if the frame
            has this column.
        score: Score of each row, or names of columns: one column per class.
        predicted: Predicted class of each row.
        actual: Outcome of each row. The value is missing if the outcome is not known yet.
        outcome_time: Time at which each outcome became known. The delay of outcomes is computed from these times.
            Default: the times are unknown.
        slices: Slices whose values get panes of their own: names of columns, or a mapping from key to n values. The
            slices must be in ``slices`` of the model in ``driftline.yaml``. With slices, ``span`` must be an hour or a
            day.
        cluster: Name of a slice or feature. Rows with the same value are dependent (``cluster`` of the model).
        span: Length of a pane. A pane must not be longer than the shortest window of the model.
        timezone: IANA name of the time zone of hours and days (``timezone`` of the model).
        model: Name of the model. Default: the name in the baseline.
        version: Version of the model. Default: the version in the baseline.
        environment: Deployment environment. Default: the environment of this process's resource.
        privacy: Privacy rules. They apply to the baseline, and to features before they are counted. Build the baseline
            with the same rules, so that it equals the baseline of the processor. Rules in environment variables always
            apply.

    Returns:
        The panes.

    Raises:
        ValueError: Columns are missing or have different lengths. Or no row has a time, or an argument is not valid.

    >>> from driftline import Baseline
    >>> X = {"age": [20.0, 30.0, 40.0, 50.0], "p": [0.1, 0.4, 0.6, 0.9], "y": [0, 0, 1, 1]}
    >>> baseline = Baseline.from_frame(X, score="p", actual="y", model="churn", task="binary")
    >>> panes = make_panes({**X, "at": ["2026-11-25T13:05:00Z"] * 3 + ["2026-11-25T15:00:00Z"]}, baseline, time="at")
    >>> [(pane.start // 10**9, pane.sums["rows"].tolist()) for pane in panes.panes]
    [(1795611600, [3.0, 3.0, 3.0]), (1795618800, [1.0, 1.0, 1.0])]
    """
    _check(span, slices, timezone)
    rules = rules_in_force(privacy)
    baseline = protect_baseline(baseline, rules)
    table, outcomes = _read(
        frame, baseline, _given(frame, baseline, time=time, score=score, predicted=predicted, actual=actual),
        slices, outcome_time, rules,
    )  # fmt: skip
    panes = fold_panes(table, baseline, outcomes, cluster=cluster, span=span, timezone=timezone)
    return MadePanes(
        model or baseline.model,
        baseline.version if version is None else version,
        environment,
        baseline.digest,
        span,
        panes,
    )


class RowOutcomes(NamedTuple):
    """What became of n predictions.

    Attributes:
        actual: The outcomes, missing if they are not known; None for rankings and without any.
        relevance: Those of rankings.
        time: int64 (n,), unix nanoseconds at which each became known; None = unknown.
        weight: float64 (n,), number of predictions for which the outcome stands; None = 1 each.
    """

    actual: Column | None = None
    relevance: Relevance | None = None
    time: I64 | None = None
    weight: F64 | None = None


def fold_panes(
    table: PredictionTable,
    baseline: Baseline,
    outcomes: RowOutcomes,
    *,
    cluster: str = "",
    span: Span = "1h",
    timezone: str = "UTC",
    slices: Collection[str] | None = None,
    predictions: bool = True,
) -> list[MadePane]:
    """Fold the rows of a table into panes, all rows first, then each slice; see :func:`make_panes`.

    ``slices``: keys whose values get panes; None = all of the table. ``predictions``: False = only the sums of
    outcomes, for rows whose other sums have been folded before.
    """
    starts, group = np.unique(pane_starts(table.time, span, timezone), return_inverse=True)
    folding = _Folding(table, baseline, outcomes, cluster, predictions)
    panes = list[MadePane]()
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange(len(starts) + 1))
    for first in range(0, len(starts), _AT_ONCE):
        last = min(first + _AT_ONCE, len(starts))
        rows = order[edges[first] : edges[last]]
        panes += folding.panes(rows, group[rows] - first, starts[first:last])
    for key in table.slices if slices is None else [key for key in slices if key in table.slices]:
        panes += folding.slices(key, group, starts)
    return panes


class SentPanes(NamedTuple):
    """The processor's answer to :func:`send_panes`.

    Attributes:
        accepted: Number of new panes.
        replaced: Number of panes that replaced the panes of an earlier epoch.
        unchanged: Number of panes that this epoch had sent before.
        superseded: Number of panes that were ignored, because a later epoch has written them.
        refused: All other panes, with their index and the reason.
    """

    accepted: int = 0
    replaced: int = 0
    unchanged: int = 0
    superseded: int = 0
    refused: tuple[Rejection, ...] = ()

    def __repr__(self) -> str:  # an assignment would be a field
        return short_record(self)


def send_panes(panes: MadePanes, *, source: str, epoch: int) -> SentPanes:
    """Send panes to the processor, and wait until they are on its disk.

    Panes are sent to the same endpoint as records and outcomes (``DRIFTLINE_ENDPOINT``). Sending the same panes again
    changes nothing.

    Args:
        panes: The result of :func:`make_panes`.
        source: Name of the job. Panes of several sources add up.
        epoch: Number of the job's run, such as 20261126. For each pane, only the greatest epoch of a source counts.

    Returns:
        What the processor did with each pane.

    Raises:
        Undelivered: The processor did not answer, or it refused the request. For example, it refuses panes that belong
            to another baseline.
    """
    from driftline.export import pipeline as pipelines  # as in driftline.outcomes
    from driftline.export.resource import resource_attributes
    from driftline.semconv import attributes as a

    target = pipelines.endpoint()
    channel = pipelines.confirming(target)
    environment = str(resource_attributes(Identity(panes.model)).get(a.DEPLOYMENT_ENVIRONMENT_NAME, ""))
    try:
        return post_panes(channel, target.panes, panes, source, epoch, environment)
    finally:
        channel.close()


def post_panes(
    channel: OutcomeChannel, url: str, panes: MadePanes, source: str, epoch: int, environment: str = ""
) -> SentPanes:
    """Send panes to the URL of ``/v1/panes`` in requests of 16 MiB; see :func:`send_panes`."""
    counts, refused = [0, 0, 0, 0], list[Rejection]()
    for first, body in panes.requests(source, epoch, environment):
        answer = deliver(channel, url, body, Accepted(counts[0]), "panes", SentPanes._fields)
        for index, name in enumerate(SentPanes._fields[:4]):
            counts[index] += int(answer[name])
        refused += [Rejection(first + int(one["index"]), str(one["reason"])) for one in answer["refused"]]
    return SentPanes(counts[0], counts[1], counts[2], counts[3], tuple(refused))


def _approximate_bytes(values: F64) -> int:
    """Return about how many bytes the sums of a part of one pane need in a request."""
    return 4 + min(3 * len(values) // 2, 5 * int(np.count_nonzero(values)))


def _written(positions: Sequence[int], sums: Sequence[F64], panes: int) -> str | dict[str, str]:
    """Return one part of some panes: all sums, or those that are not zero by place if they are few."""
    values = np.concatenate(sums)
    some = {} if len(positions) == panes else {"panes": _column(np.array(positions))}
    nonzero = np.flatnonzero(values)
    if len(nonzero) * 8 < len(values):
        pane, place = np.divmod(nonzero, len(sums[0]))
        counts = np.bincount(pane, minlength=len(sums))
        return {**some, "counts": _column(counts), "places": _column(place), "sums": _column(values[nonzero])}
    return {**some, "sums": _column(values)} if some else _column(values)


def _column(values: NDArray[Any]) -> str:
    return b64encode(encode_column(values)).decode()


def _check(span: str, slices: Mapping[str, ArrayLike] | Sequence[str], timezone: str) -> None:
    if span not in get_args(Span):
        raise ValueError(f"span: {span!r} is not the length of a pane; use '5m', '1h' or '1d'")
    if slices and span == "5m":
        raise ValueError("slices: panes of slices are of an hour or a day; use span='1h'")
    check_timezone(timezone)


def _given(frame: FrameLike, baseline: Baseline, **roles: ArrayLike | None) -> dict[str, ArrayLike | None]:
    """Return the columns by role: as given, else those of the baseline that the frame has."""
    names, found = columns_of(frame), dict(roles)
    items = {**baseline.columns, "predicted": baseline.columns.get("items", baseline.columns.get("predicted"))}
    for role in _ROLES:
        default = items.get(role)
        wanted = [default] if isinstance(default, str) else list(default or ())
        if found[role] is None and wanted and all(name in names for name in wanted):
            found[role] = default
    if found["time"] is None:
        raise ValueError("the time of each prediction is missing; pass time=, the name of a column or n values")
    return found


def _read(
    frame: FrameLike,
    baseline: Baseline,
    roles: Mapping[str, ArrayLike | None],
    slices: Mapping[str, ArrayLike] | Sequence[str],
    outcome_time: ArrayLike | None,
    rules: Privacy,
) -> tuple[PredictionTable, RowOutcomes]:
    """Return the rows with a usable time, and their outcomes."""
    names = columns_of(frame)
    features = [name for name in baseline.raw_features if name in names]
    columns = FrameColumns(**roles, features=features, slices=slices)
    description = ReferenceDescription(ModelKey(baseline.model, baseline.version), baseline.task.kind)
    rows, _ = rows_from_frame(frame, description, columns)
    if not rows.rows:
        raise ValueError("there are no rows")
    known_times = None
    if outcome_time is not None:
        known_times = instants(column_of(names[outcome_time] if isinstance(outcome_time, str) else outcome_time))
        if len(known_times) != rows.rows:
            raise ValueError(f"outcome_time has {len(known_times)} values and the frame has {rows.rows} rows")
    usable = np.flatnonzero(np.zeros(0) if rows.time is None else rows.time > 0)
    if not len(usable):
        raise NoTimesError("time: none of the values can be read as a time; pass datetimes, ISO 8601 or unix seconds")
    if len(usable) < rows.rows:
        logger.warning("driftline: %s rows without a time are not in a pane", f"{rows.rows - len(usable):,}")
        rows = rows.take(usable)
        known_times = None if known_times is None else known_times[usable]
    protected = rules.columns({**rows.features}, tuple(baseline.texts))
    kept = {name: column for name, column in protected.items() if isinstance(column, Column)}
    table = table_of(replace(rows, features=kept), description.key, baseline.task, baseline.texts)
    table.features = dict(_protected_descriptors(table.features, baseline, rules))
    table.slices = {key: column for key, column in table.slices.items() if rules.rule(key) is None}
    return table, RowOutcomes(rows.actual, rows.relevance, known_times)


def _protected_descriptors(
    features: Mapping[str, Column], baseline: Baseline, rules: Privacy
) -> Iterator[tuple[str, Column]]:
    """Yield the features, with the rules of the descriptors of texts, whose names only exist now."""
    for name, column in features.items():
        text = baseline.raw_name(name)
        rule = None if text == name else rules.part(text, name)
        protected = column if rule is None else rule.column(column)
        if isinstance(protected, Column):
            yield name, protected


def pane_starts(time: I64, span: Span, timezone: str) -> I64:
    """Return the start of the pane of each row: int64 (n,), unix nanoseconds."""
    panes, index = np.unique(time - time % _PANE, return_inverse=True)
    zone, starts, start, end = ZoneInfo(timezone), np.empty_like(panes), 0, 0
    for position, pane in enumerate(panes.tolist()):
        if span == "5m":
            start = pane
        elif not start <= pane < end:
            day = datetime.fromtimestamp(pane // _SECOND, zone).date()
            start, end = _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
            if span == "1h":
                start += (pane - start) // _HOUR * _HOUR
                end = min(start + _HOUR, end)
        starts[position] = start
    of_rows: I64 = starts[index]
    return of_rows


def _midnight(day: Any, zone: ZoneInfo) -> int:
    local = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    time = round(local.timestamp()) * _SECOND
    return time - time % _PANE


class _Folding:
    """Folds the rows of a table, some panes at a time."""

    def __init__(
        self,
        table: PredictionTable,
        baseline: Baseline,
        outcomes: RowOutcomes,
        cluster: str,
        predictions: bool,
    ) -> None:
        self._table, self._baseline, self._cluster = table, baseline, cluster
        self._decided, self._outcomes, self._predictions = decided_classes(table), outcomes, predictions
        self._is_known = _is_known(table, outcomes.actual, outcomes.relevance)

    def panes(self, rows: NDArray[np.intp], group: I64, starts: I64) -> list[MadePane]:
        """Return the panes of all rows; ``rows``: sorted by ``group``, the pane of each row."""
        panes = self._of_predictions(rows, group, len(starts)) if self._predictions else [{} for _ in starts]
        self._add_outcomes(panes, rows, group, delays=True)
        return [MadePane(start, "", sums) for start, sums in zip(starts.tolist(), panes, strict=True)]

    def _of_predictions(self, rows: NDArray[np.intp], group: I64, groups: int) -> list[dict[str, F64]]:
        baseline, table = self._baseline, _take(self._table, rows)
        folded = fold_parts(table, baseline.bins, group, groups, self._cluster)
        panes = [{name: sums[index] for name, sums in folded.of_all.items()} for index in range(groups)]
        for name, (positions, sums) in folded.of_some.items():
            for position, values in zip(positions.tolist(), sums, strict=True):
                if values.any():
                    panes[position][name] = values
        self._count_decisions(panes, rows, group)
        grid = score_grid(table.task, table.scores, table.predicted, table.weight, group)
        learned = learned_sums(table, baseline.extras.estimation, baseline.bins, group, groups)
        _add(panes, {entry.part: entry for entry in (*grid, *learned)})
        return panes

    def slices(self, key: str, group: I64, starts: I64) -> list[MadePane]:
        """Return the panes of each slice of a key."""
        table, reference = self._table, self._baseline.extras.slices
        values = values_of(table.slices[key], () if reference is None else reference.values(key))
        by_value = SliceKey.of(key, table.slices[key], values, len(table))
        of_slices = by_value.by_step(group)
        inside = np.flatnonzero(of_slices.group >= 0)
        made = list[MadePane]()
        order = inside[np.argsort(of_slices.group[inside], kind="stable")]
        edges = np.searchsorted(of_slices.group[order], np.arange(len(of_slices.slice) + 1))
        for first in range(0, len(of_slices.slice), _AT_ONCE):
            last = min(first + _AT_ONCE, len(of_slices.slice))
            rows = order[edges[first] : edges[last]]
            own_group = of_slices.group[rows] - first
            panes: list[dict[str, F64]] = [{} for _ in range(last - first)]
            if self._predictions:
                everything, counts = np.zeros(len(rows), np.int64), of_slices._replace(group=own_group).counts()
                counts.groups = last - first
                fold_parts(_take(table, rows), self._baseline.bins, everything, 1, self._cluster, [counts])
                panes = [{part: sums[index] for part, sums in counts.parts.items()} for index in range(last - first)]
                panes = [{part: sums for part, sums in pane.items() if sums.any()} for pane in panes]
                self._count_decisions(panes, rows, own_group)
            self._add_outcomes(panes, rows, own_group, delays=False)
            steps, names = of_slices.step[first:last], [by_value.names[place] for place in of_slices.slice[first:last]]
            made += [
                MadePane(start, name, sums)
                for start, name, sums in zip(starts[steps].tolist(), names, panes, strict=True)
            ]
        return made

    def _count_decisions(self, panes: list[dict[str, F64]], rows: NDArray[np.intp], group: I64) -> None:
        names = class_names(self._table.task)
        decided = None if self._decided is None else take_rows(self._decided, rows)
        width = len(names)
        weight = None if self._table.weight is None else usable_weight(self._table.weight[rows])
        places = group * width + positions_of(decided, names, len(rows))
        counts = np.bincount(places, weight, minlength=len(panes) * width).astype(np.float64)
        for pane, values in zip(panes, counts.reshape(len(panes), width), strict=True):
            pane |= {f"{DECIDED}{name}": values[[code]] for code, name in enumerate(names) if values[code]}

    def _add_outcomes(self, panes: list[dict[str, F64]], rows: NDArray[np.intp], group: I64, *, delays: bool) -> None:
        known = np.flatnonzero(self._is_known[rows])
        if not len(known):
            return
        rows, group, table, outcomes = rows[known], group[known], self._table, self._outcomes
        decided = None if self._decided is None else take_rows(self._decided, rows)
        scores = None if table.scores is None else table.scores[rows]
        relevance = None if outcomes.relevance is None else take_rankings(outcomes.relevance, rows)
        actual = Column(np.zeros(len(rows))) if outcomes.actual is None else take_rows(outcomes.actual, rows)
        weight = None if outcomes.weight is None else outcomes.weight[rows]
        labelled = LabelledRows(scores, decided, actual, weight, relevance=relevance)
        sums: dict[str, Sparse | Entries] = {**fold_outcomes_by(table.task, labelled, group, len(panes))}
        if delays and outcomes.time is not None:
            sums[DELAY] = fold_delays(table.time[rows], outcomes.time[rows], group, len(panes))
        _add(panes, sums)


def _add(panes: list[dict[str, F64]], sums: Mapping[str, Sparse | Entries]) -> None:
    for part, entry in sums.items():
        dense = entry.dense(len(panes))
        for index in np.flatnonzero(dense.any(axis=1)).tolist():
            panes[index][part] = dense[index]


def _is_known(table: PredictionTable, actual: Column | None, relevance: Relevance | None) -> NDArray[np.bool_]:
    """Return which rows have a usable outcome: bool (n,)."""
    if relevance is not None:
        return np.asarray(~np.isnan(relevance.clicked), np.bool_)
    if actual is None:
        return np.zeros(len(table), np.bool_)
    if table.task.predicts_number:
        with np.errstate(invalid="ignore"):
            return np.abs(actual_numbers(actual)) <= GREATEST
    codes = class_codes(actual, table.task.classes)
    return np.asarray(np.zeros(len(table)) if codes is None else (codes >= 0) & (codes < len(table.task.classes)), bool)


def _take(table: PredictionTable, rows: NDArray[np.intp]) -> PredictionTable:
    """Return rows of a table as far as they are folded."""
    if len(rows) == len(table) and (np.diff(rows) == 1).all():
        return table
    return PredictionTable(
        key=table.key,
        task=table.task,
        time=table.time[rows],
        id=table.id,
        scores=None if table.scores is None else table.scores[rows],
        predicted=None if table.predicted is None else take_rows(table.predicted, rows),
        duration=None if table.duration is None else table.duration[rows],
        weight=None if table.weight is None else table.weight[rows],
        features={name: take_rows(column, rows) for name, column in table.features.items()},
        slices={name: take_rows(column, rows) for name, column in table.slices.items()},
    )
