"""Split columns of outcomes into one table per model and environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from driftline.tables.table import F64, I32, I64, Column, OutcomeTable, Text
from msgspec import Struct
from numpy.typing import NDArray

from driftline_processor.core.lazy_modules import pc


class OutcomeRows(Struct):
    """n outcomes of any models, as columns.

    Attributes:
        text: Actual values that are texts, null for numbers.
        time: int64 unix nanoseconds, 0 = none.
        prediction_time: int64 unix nanoseconds, 0 = none.
        weight: NaN = none.
        item: Null = none.
        value: NaN = none.
        retracted: bool (n,); a retraction may have neither text nor number.
        slices: Name → canonical texts, null = none.
    """

    model: pa.StringArray
    environment: pa.StringArray
    id: pa.StringArray
    text: pa.StringArray
    number: F64
    time: I64
    prediction_time: I64
    weight: F64
    item: pa.StringArray
    value: F64
    retracted: NDArray[np.bool_]
    slices: dict[str, pa.StringArray]

    def __len__(self) -> int:
        return len(self.time)

    def actual(self) -> Column:
        """Return the actual values: numbers, and texts as codes."""
        codes, categories = _encoded(self.text)
        return Column(numbers=self.number, codes=codes, categories=categories)

    def tables(self, now: int) -> list[OutcomeTable]:
        """Split by model and environment, in order of appearance; rows without a time get ``now``."""
        if len(self.time) == 0:
            return []
        model, environment = self.model.dictionary_encode(), self.environment.dictionary_encode()
        environments = [*environment.dictionary.to_pylist(), None]
        code = model.indices.to_numpy() * len(environments) + pc.fill_null(
            environment.indices, len(environments) - 1
        ).to_numpy(zero_copy_only=False)
        groups, first = np.unique(code, return_index=True)
        tables = []
        for group in groups[np.argsort(first)]:
            group_rows = self if len(groups) == 1 else self.take(np.flatnonzero(code == group))
            of_model = model.dictionary[int(group) // len(environments)].as_py()
            tables.append(group_rows._table(of_model, environments[int(group) % len(environments)], now))
        return tables

    def take(self, rows: I64) -> OutcomeRows:
        """Return the rows at some positions, in their order."""
        places = pa.array(rows)

        def chosen(values: Any) -> Any:
            if isinstance(values, dict):
                return {name: texts.take(places) for name, texts in values.items()}
            return values[rows] if isinstance(values, np.ndarray) else values.take(places)

        return OutcomeRows(*(chosen(getattr(self, name)) for name in self.__struct_fields__))

    def _table(self, model: str, environment: str | None, now: int) -> OutcomeTable:
        number = self.number
        codes, categories = _encoded(self.text)
        actual = Column(
            numbers=None if np.isnan(number).all() else number,
            codes=None if (codes < 0).all() else codes,
            categories=categories,
        )
        item, value, retracted = self.item, self.value, self.retracted
        slices = {name: _encoded(texts) for name, texts in self.slices.items()}
        return OutcomeTable(
            model=model,
            environment=environment,
            id=_text(self.id),
            actual=actual,
            time=np.where(self.time == 0, now, self.time),
            prediction_time=self.prediction_time,
            weight=self.weight,
            item=None if item.null_count == len(item) else _text(pc.fill_null(item, "")),
            value=None if np.isnan(value).all() else value,
            retracted=retracted if retracted.any() else None,
            slices={
                name: Column(codes=codes, categories=all_)
                for name, (codes, all_) in slices.items()
                if (codes >= 0).any()
            },
        )


SHOWN_REJECTIONS = 1000
"""Maximum number of rejections with a reason per document; further ones are only counted."""


class ParsedDocument(Struct):
    """The content of a document: its rows, and (index from 0, reason) of the first unusable rows.

    Attributes:
        more: Number of further unusable rows.
        without_model: Number of rows that are unusable because the model is missing.
    """

    rows: OutcomeRows
    rejected: list[tuple[int, str]]
    more: int = 0
    without_model: int = 0

    @property
    def rejections(self) -> int:
        """Return the number of unusable rows."""
        return len(self.rejected) + self.more


def join_parts(parts: Sequence[ParsedDocument]) -> ParsedDocument:
    """Return the rows of all parts of a document in order, with indexes over all parts."""
    rejected: list[tuple[int, str]] = []
    begin = 0
    for part in parts:
        room = SHOWN_REJECTIONS - len(rejected)
        rejected += [(begin + index, reason) for index, reason in part.rejected[:room]]
        begin += len(part.rows) + part.rejections
    rows = concatenate_rows([part.rows for part in parts])
    without_model = sum(part.without_model for part in parts)
    return ParsedDocument(rows, rejected, begin - len(rows) - len(rejected), without_model)


def concatenate_rows(parts: Sequence[OutcomeRows]) -> OutcomeRows:
    """Return the rows of all parts, in order."""
    names = dict.fromkeys(name for part in parts for name in part.slices)
    absent = [pa.nulls(len(part), pa.string()) for part in parts]
    slices = {
        name: pa.concat_arrays([part.slices.get(name, lacking) for part, lacking in zip(parts, absent, strict=True)])
        for name in names
    }
    joined: dict[str, Any] = {"slices": slices}
    for name in OutcomeRows.__struct_fields__[:-1]:
        columns = [getattr(part, name) for part in parts]
        joined[name] = (np.concatenate if isinstance(columns[0], np.ndarray) else pa.concat_arrays)(columns)
    return OutcomeRows(**joined)


def _encoded(texts: pa.StringArray) -> tuple[I32, tuple[str, ...]]:
    encoded = texts.dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
    return codes, tuple(encoded.dictionary.to_pylist())


def _text(array: pa.StringArray) -> Text:
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    first, last = int(ends[0]), int(ends[-1])
    return Text(offsets=(ends - first).astype(np.int32), data=b"" if data is None else data.to_pybytes()[first:last])
