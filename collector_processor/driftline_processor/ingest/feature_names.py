"""The features that are counted per series, and tables of bounded size.

Names come from senders. A service that uses ids as names sends other ones with each row, and the table of a block would
have a column for each. So a series has at most :data:`MOST_NAMES` names, and a table at most :data:`MOST_CELLS` cells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence, Set
from dataclasses import replace

import numpy as np
from driftline.panes.bins import RARE
from driftline.tables.table import ModelKey, PredictionTable, is_present

from driftline_processor.core.decode.attributes import MAX_COLUMNS
from driftline_processor.core.decode.metric_points import Point
from driftline_processor.store.arrow_tables import concatenate_predictions, take_table

MOST_NAMES = MAX_COLUMNS
"""Maximum number of features per series that its baseline does not have, as of one request."""

MOST_CELLS = 2_000_000
"""Maximum rows × columns of a table that is stored at once: 16 MB of doubles. A block of 16 MiB has a fifth of them as
spans of 20 features, as many as columns of doubles, and eight times as many as columns of one byte.
"""


class FeatureNames:
    """The known features of each series since the start. Not thread-safe."""

    def __init__(self) -> None:
        self._known: dict[ModelKey, set[str]] = {}

    def tables(
        self, tables: Sequence[PredictionTable], always: Collection[str]
    ) -> tuple[Sequence[PredictionTable], Counter[str]]:
        """Return the tables of one series without features beyond the limit, and the values of each of these.

        If there are too many names, those in most rows are added, and none that fewer than ten rows have.

        Args:
            tables: Tables of one series.
            always: Names that do not count for the limit: the features of the baseline and of the configuration.
        """
        names = set[str]().union(*(table.features for table in tables))

        def values(further: Set[str]) -> Counter[str]:
            counts = Counter[str]()
            for table in tables:
                for name in further & table.features.keys():
                    counts[name] += int(np.count_nonzero(is_present(table.features[name])))
            return counts

        left_out = self._left_out(tables[0].key, names, always, values, fewest=RARE)
        if not left_out:
            return tables, left_out
        fewer = [
            replace(table, features={name: column for name, column in table.features.items() if name not in left_out})
            for table in tables
        ]
        return fewer, left_out

    def points(
        self, key: ModelKey, points: Sequence[Point], always: Collection[str]
    ) -> tuple[Sequence[Point], Counter[str]]:
        """Return the points of one series without features beyond the limit, see :meth:`tables`."""
        names = Counter(point.feature for point in points if point.feature)
        left_out = self._left_out(key, names.keys(), always, lambda _: names, fewest=1)
        return [point for point in points if point.feature not in left_out] if left_out else points, left_out

    def _left_out(
        self,
        key: ModelKey,
        names: Set[str],
        always: Collection[str],
        values: Callable[[Set[str]], Counter[str]],
        fewest: int,
    ) -> Counter[str]:
        """Add names to a series; return those beyond the limit with their numbers of values."""
        known = self._known.setdefault(key, set())
        if names <= known:
            return Counter()
        further = names - known - set(always)
        if len(known) + len(further) <= MOST_NAMES:
            known |= further
            return Counter()
        counts = values(further)
        ordered = sorted(further, key=lambda name: (-counts[name], name))
        known.update(name for name in ordered[: max(0, MOST_NAMES - len(known))] if counts[name] >= fewest)
        return Counter({name: counts[name] for name in ordered if name not in known})


def tables_of_bounded_size(tables: Sequence[PredictionTable], features: int) -> Iterator[PredictionTable]:
    """Yield the rows of tables of one layout, together as far as :data:`MOST_CELLS` allows.

    ``features``: number of features of the baseline, over which a table is folded.
    """
    names = set[str]().union(*(table.features for table in tables), *(table.slices for table in tables))
    scores = max(0 if table.scores is None else table.scores.shape[1] for table in tables)
    most_rows = max(1, MOST_CELLS // max(1, len(names) + scores, features))
    together: list[PredictionTable] = []
    rows = 0
    for table in tables:
        for first in range(0, len(table), most_rows):
            last = min(first + most_rows, len(table))
            part = table if last - first == len(table) else take_table(table, np.arange(first, last))
            if rows + len(part) > most_rows:
                yield concatenate_predictions(together)
                together, rows = [], 0
            together.append(part)
            rows += len(part)
    yield concatenate_predictions(together)
