"""Results of objectives and their remarks, and failed or slow calls."""

from __future__ import annotations

from collections.abc import Mapping

from driftline_processor.core.fact import FactStruct


class ServiceFailing(FactStruct):
    """The failing metric of the calls of a window.

    Attributes:
        metric: ``error_rate`` or a latency.
        value: Its value.
        low: Lower end of its interval.
        high: Upper end of its interval.
        usual: The worst of the previous windows; None if too few of them are known.
        calls: Calls of the window.
        error: The most frequent ``error.type``; "" if unknown.
        limit: The exceeded limit: a fixed fraction, or a multiple of the worst previous window.
    """

    metric: str
    value: float
    low: float | None
    high: float | None
    usual: float | None
    calls: int
    error: str = ""
    limit: float = 0.0


class RowsDecide(FactStruct):
    needed: int | None


class NoRowReviewed(FactStruct):
    metric: str
    slice: str
    needed: int | None


class NoCall(FactStruct):
    metric: str
    slice: str


class BaselineLacks(FactStruct):
    metric: str
    lacking: str


class NoPeriodEnded(FactStruct):
    of_calls: bool


class NoSliceWithRows(FactStruct):
    """``most``: the slice of the key with most rows, and their number; None if there is none."""

    key: str
    metric: str
    min_rows: int
    most: tuple[str, int] | None
    of_calls: bool


class FewPredictionsReviewed(FactStruct):
    rows: int
    predictions: int
    needed: int


class SlicesOfKey(FactStruct):
    key: str
    states: Mapping[str, int]
    few: int
    min_rows: int


class WindowOpenYet(FactStruct): ...


class MoreDaysDecide(FactStruct): ...


class IntervalUnknown(FactStruct): ...


class ComparedWithAllRows(FactStruct): ...


class ComparedWithSlice(FactStruct):
    rows: int


class SliceFolded(FactStruct):
    slice: str
    key: str
    most: int
    other: str
