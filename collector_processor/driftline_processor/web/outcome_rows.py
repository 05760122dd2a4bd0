"""One outcome as it was sent → its fields, and many of them → tables.

A field that cannot be used raises :class:`Unusable` with a sentence; the caller keeps the row's neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from driftline.instants import nanoseconds_per_unit
from driftline.tables import F64, I64, Column, OutcomeTable, Text

FIELDS = ("id", "actual", "time", "prediction_time", "weight", "model", "environment")
"""What an outcome may say. ``id`` and ``actual`` are needed, and a model from the row or from the request."""

MAX_TEXT = 1024
"""Longest id, actual or name, in characters: what is longer was sent by mistake, and would be stored with every row."""

LAST = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Unusable(ValueError):  # noqa: N818 - the state of a row, and the sentence its sender reads
    """A row that cannot be used, and why."""


class MalformedOutcomes(ValueError):  # noqa: N818 - the state of a document, and the sentence its sender reads
    """A whole document that cannot be read, and why."""


def text_of(value: object, name: str) -> str | None:
    """Return a name or id as text; None when it is missing. The numbers 17 and 17.0 are the text "17".

    Raises :class:`Unusable` for anything that is neither text nor a number, and for texts above ``MAX_TEXT``.

    >>> text_of(17.0, "id"), text_of(" A-1 ", "id"), text_of("", "id")
    ('17', 'A-1', None)
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unusable(f"{name} is {_kind(value)}; send a text or a number")
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        text = str(int(value)) if value.is_integer() else repr(value)
    else:
        text = str(value).strip()
    if len(text) > MAX_TEXT:
        raise Unusable(f"{name} has {len(text):,} characters; at most {MAX_TEXT:,} are kept")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Unusable(f"{name} holds half a surrogate pair, which is no Unicode text")
    return text or None


def actual_of(value: object) -> tuple[float, str | None]:
    """Return what really happened as (number, None) or (NaN, text); true is 1.0 and false is 0.0.

    >>> actual_of(True), actual_of(2)
    ((1.0, None), (2.0, None))
    """
    if isinstance(value, str):
        text = text_of(value, "actual")
        if text is None:
            raise Unusable("actual is missing")
        return math.nan, text
    if value is None:
        raise Unusable("actual is missing")
    if not isinstance(value, bool | int | float):
        raise Unusable(f"actual is {_kind(value)}; send a class or a number")
    number = _float(value, "actual")
    if not math.isfinite(number):
        raise Unusable(f"actual is {number}; send a finite number, or nothing until it is known")
    return number, None


def instant_of(value: object, name: str) -> int:
    """Return unix nanoseconds of an ISO 8601 text (UTC if it names no zone) or of unix s, ms, µs or ns; 0 = missing.

    Which unit a number has is told by its size: seconds below 1e11 (the year 5138), then milliseconds, microseconds
    and nanoseconds, a factor of 1,000 each.

    >>> instant_of("2026-11-20T08:00:00Z", "time") == instant_of(1795161600, "time") == instant_of(1795161600e3, "time")
    True
    """
    if value is None or value == "":
        return 0
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unusable(f"{name} is {_kind(value)}; send ISO 8601 or unix seconds, ms or ns")
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return _iso(value, name)
    else:
        number = _float(value, name)
    if not 0 < number < LAST:
        raise Unusable(f"{name} is {number:g}, which is no time between 1970 and 2262")
    unit = nanoseconds_per_unit(number)
    return value * unit if isinstance(value, int) else int(number * unit)


def weight_of(value: object) -> float:
    """Return a positive weight, NaN when it is missing."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unusable(f"weight is {_kind(value)}; send a number")
    number = _float(value, "weight")
    if not 0 < number < math.inf:
        raise Unusable(f"weight is {number:g}; a weight is 1 / probability of review, finite and above 0")
    return number


@dataclass(slots=True)
class OutcomeRows:
    """n outcomes of any models, as columns. ``text``: actuals that are texts, null where ``number`` holds.

    ``time`` / ``prediction_time``: int64 unix nanoseconds, 0 = not said. ``weight``: NaN = not said.
    """

    model: pa.StringArray
    environment: pa.StringArray
    id: pa.StringArray
    text: pa.StringArray
    number: F64
    time: I64
    prediction_time: I64
    weight: F64

    def __len__(self) -> int:
        return len(self.time)

    def tables(self, now: int) -> list[OutcomeTable]:
        """Split by model and environment, in order of appearance; rows that say no time get ``now``."""
        if len(self.time) == 0:
            return []
        time = np.where(self.time == 0, now, self.time)
        model, environment = self.model.dictionary_encode(), self.environment.dictionary_encode()
        environments = [*environment.dictionary.to_pylist(), None]
        code = model.indices.to_numpy() * len(environments) + pc.fill_null(
            environment.indices, len(environments) - 1
        ).to_numpy(zero_copy_only=False)
        groups, first = np.unique(code, return_index=True)
        return [
            self._table(
                model.dictionary[int(group) // len(environments)].as_py(),
                environments[int(group) % len(environments)],
                np.flatnonzero(code == group),
                time,
            )
            for group in groups[np.argsort(first)]
        ]

    def _table(self, model: str, environment: str | None, rows: I64, time: I64) -> OutcomeTable:
        number, text = self.number[rows], self.text.take(pa.array(rows))
        labels = text.dictionary_encode()
        codes = pc.fill_null(labels.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
        actual = Column(
            numbers=None if np.isnan(number).all() else number,
            codes=None if (codes < 0).all() else codes,
            labels=tuple(labels.dictionary.to_pylist()),
        )
        return OutcomeTable(
            model=model,
            environment=environment,
            id=_text(self.id.take(pa.array(rows))),
            actual=actual,
            time=time[rows],
            prediction_time=self.prediction_time[rows],
            weight=self.weight[rows],
        )


@dataclass(slots=True)
class Parsed:
    """What a document held: its rows, and (index from 0, reason) of those that cannot be used."""

    rows: OutcomeRows
    rejected: list[tuple[int, str]]


def concatenate(parts: Sequence[OutcomeRows]) -> OutcomeRows:
    """Return the rows of all parts, in order."""
    columns = [[getattr(part, field.name) for part in parts] for field in fields(OutcomeRows)]
    return OutcomeRows(*(pa.concat_arrays(them) for them in columns[:4]), *map(np.concatenate, columns[4:]))


@dataclass(slots=True)
class RowReader:
    """Read outcomes one by one: the general way, for documents of thousands and for lines of mixed types.

    ``model`` / ``environment``: what the request says, for rows that say nothing. ``rejected``: (index, reason).
    """

    model: str | None
    environment: str | None
    rejected: list[tuple[int, str]] = field(default_factory=list)
    _rows: list[tuple[str, str | None, str, str | None, float, int, int, float]] = field(default_factory=list)

    def add(self, index: int, item: object) -> None:
        """Keep one outcome, or the reason why not."""
        try:
            self._rows.append(self._read(item))
        except Unusable as reason:
            self.rejected.append((index, str(reason)))

    def _read(self, item: object) -> tuple[str, str | None, str, str | None, float, int, int, float]:
        if isinstance(item, Unusable):  # a line that could not be read
            raise item
        if not isinstance(item, dict):
            raise Unusable(f'an outcome is an object like {{"id": …, "actual": …}}; this is {_kind(item)}')
        unknown = [key for key in item if key not in FIELDS]
        if unknown:
            raise Unusable(f"unknown key {unknown[0][:80]!r}; an outcome has {', '.join(FIELDS)}")
        model = text_of(item.get("model"), "model") or self.model
        if not model:
            raise Unusable("model is missing; name it in the row or as ?model=")
        row_id = text_of(item.get("id"), "id")
        if row_id is None:
            raise Unusable("id is missing")
        number, text = actual_of(item.get("actual"))
        return (
            model,
            text_of(item.get("environment"), "environment") or self.environment,
            row_id,
            text,
            number,
            instant_of(item.get("time"), "time"),
            instant_of(item.get("prediction_time"), "prediction_time"),
            weight_of(item.get("weight")),
        )

    def rows(self) -> OutcomeRows:
        """Return all that were kept, as columns."""
        model, environment, ids, text, number, time, prediction_time, weight = (
            zip(*self._rows, strict=True) if self._rows else ((),) * 8
        )
        return OutcomeRows(
            model=pa.array(model, pa.string()),
            environment=pa.array(environment, pa.string()),
            id=pa.array(ids, pa.string()),
            text=pa.array(text, pa.string()),
            number=np.array(number, np.float64),
            time=np.array(time, np.int64),
            prediction_time=np.array(prediction_time, np.int64),
            weight=np.array(weight, np.float64),
        )


def _iso(value: str, name: str) -> int:
    try:
        moment = datetime.fromisoformat(value.strip())
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        microseconds = (moment - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise Unusable(
            f"{name} is {value[:80]!r}; send ISO 8601 (2026-11-20T08:00:00Z) or unix seconds, ms or ns"
        ) from None
    if not 0 < microseconds * 1000 < LAST:
        raise Unusable(f"{name} is {value[:80]!r}, which is no time between 1970 and 2262")
    return microseconds * 1000


def _float(value: float, name: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Unusable(f"{name} is a number beyond 1e308") from None


def _kind(value: object) -> str:
    names = {
        dict: "an object",
        list: "a list",
        bool: "true or false",
        str: "a text",
        int: "a number",
        float: "a number",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _text(array: pa.StringArray) -> Text:
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    first, last = int(ends[0]), int(ends[-1])
    return Text(offsets=(ends - first).astype(np.int32), data=b"" if data is None else data.to_pybytes()[first:last])
