"""How often whole rows repeat, from the fingerprints of those that are kept."""

from __future__ import annotations

from driftline.repeats import MOST_KEPT, Repeats, repeats_of

from .store import Connection


def repeats_between(connection: Connection, series: int, start: int, end: int) -> Repeats | None:
    """Return how many rows that have all features are different, of ``[start, end)``, as far as rows are kept.

    Of many rows a part is looked at, the same as :class:`driftline.repeats.Counting` keeps.
    """
    query = (
        "SELECT count(fingerprint), {} FROM predictions WHERE series = ? AND time >= ? AND time < ? AND fingerprint < ?"
    )

    def counted(what: str, halved: int) -> tuple[int, int]:
        bound = [series, start, end, (1 << (64 - halved)) - (halved == 0)]
        rows, other = connection.execute(query.format(what), bound).fetchall()[0]
        return rows, other

    rows, _ = counted("0", 0)
    kept, halved = rows, 0
    while kept > MOST_KEPT:
        halved += 1
        kept, _ = counted("0", halved)
    return repeats_of(rows, *counted("count(DISTINCT fingerprint)", halved), halved) if rows else None
