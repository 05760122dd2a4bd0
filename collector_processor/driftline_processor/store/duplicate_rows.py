"""Repeated rows, counted from the fingerprints of kept rows."""

from __future__ import annotations

from driftline.baseline.sections.duplicate_rows import MOST_KEPT, Recurrence, Repeats, repeats_of

from driftline_processor.core.windows.window import Window

from .database import Connection


def repeats_between(connection: Connection, series: int, start: int, end: int) -> Repeats | None:
    """Return the repeats among complete rows of ``[start, end)``, as far as rows are kept.

    Of many rows a part is looked at, the same as :class:`driftline.baseline.sections.duplicate_rows.Counting` keeps.
    """
    rows, halved = _kept(connection, series, start, end)
    kept, distinct = _counted(connection, series, start, end, halved, "count(DISTINCT fingerprint)")
    return repeats_of(rows, kept, distinct, halved) if rows else None


def recurrence_of(connection: Connection, series: int, window: Window, earlier: Window) -> Recurrence | None:
    """Return the rows of a window that recur from an earlier one, as far as rows are kept; None without rows.

    Of many rows a part is looked at, the same as
    :meth:`~driftline.baseline.sections.duplicate_rows.Counting.recurrence` looks at.
    """
    rows, halved = _kept(connection, series, window.start, window.end)
    before, more = _kept(connection, series, earlier.start, earlier.end)
    if not rows or not before:
        return None
    halved = max(halved, more)
    _, different = _counted(connection, series, window.start, window.end, halved, "count(DISTINCT fingerprint)")
    known = f"SELECT fingerprint FROM predictions WHERE {_SOME}"
    query, bound = (
        f"SELECT count(DISTINCT fingerprint) FROM predictions WHERE {_SOME} AND fingerprint IN ({known})",
        _bound(halved),
    )
    [(again,)] = connection.execute(
        query, [series, window.start, window.end, bound, series, earlier.start, earlier.end, bound]
    ).fetchall()
    return Recurrence(different, again, before) if different else None


_SOME = "series = ? AND time >= ? AND time < ? AND fingerprint < ?"


def _kept(connection: Connection, series: int, start: int, end: int) -> tuple[int, int]:
    """Return the number of complete rows, and the halvings of the bound after which few enough are below it."""
    rows, _ = _counted(connection, series, start, end, 0, "0")
    kept, halved = rows, 0
    while kept > MOST_KEPT:
        halved += 1
        kept, _ = _counted(connection, series, start, end, halved, "0")
    return rows, halved


def _counted(connection: Connection, series: int, start: int, end: int, halved: int, what: str) -> tuple[int, int]:
    query = f"SELECT count(fingerprint), {what} FROM predictions WHERE {_SOME}"
    rows, other = connection.execute(query, [series, start, end, _bound(halved)]).fetchall()[0]
    return rows, other


def _bound(halved: int) -> int:
    return (1 << (64 - halved)) - (halved == 0)
