"""Single predictions as a page shows them, without a store: by id, the most wrong, to label next, and what waits."""

# ruff: noqa: ARG002 - these take what the real ones take

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from driftline.tables.table import ModelKey
from driftline_processor.core.labels.sampling import REASONS, Reason
from driftline_processor.core.performance.mispredictions import Misprediction, Worst
from driftline_processor.queries.history import History, MatchedPrediction, RecordedOutcome
from driftline_processor.queries.label_queue import LabelBatch, LabelCandidate, LabelQueue
from driftline_processor.queries.mispredictions import Mispredictions
from driftline_processor.queries.predictions import KeptPrediction, KeptPredictions, UnknownOutcome, WaitingOutcome

from tests.support.fake_view import NOW

HOUR = 3600 * 10**9
TRACE, SPAN = "ab" * 16, "cd" * 8
RIGHT_TO_LEFT_ID = "הזמנה 7"
"""The id of a prediction that is written from right to left."""


class FakeWrong(Mispredictions):
    """Ten flights that were late against all odds; of every second one a trace was sampled."""

    def __init__(self) -> None:
        """Need no store."""

    def worst(
        self, key: ModelKey, since: int, until: int, limit: int = 10, slices: Mapping[str, str] | None = None
    ) -> Worst:
        """Return the worst ones."""
        rows = tuple(
            Misprediction(
                id=RIGHT_TO_LEFT_ID if at == 3 else f"UA-{at}",
                time=since + at * HOUR,
                score=0.02 * (at + 1),
                scores=None,
                predicted="0",
                actual="1",
                outcome_time=since + (at + 9) * HOUR,
                loss=0.98 - 0.02 * at,
                weight=1.0,
                slices=dict(slices or {}),
                trace_id=TRACE if at % 2 else "",
                span_id=SPAN if at % 2 else "",
            )
            for at in range(min(limit, 20))
        )
        return Worst(rows, 1234, 5000)


class FakeKept(KeptPredictions):
    """Knows the flights ``UA-*``; an outcome of ``DL-1`` waits."""

    def __init__(self) -> None:
        """Need no store."""

    def of_id(self, model: str, id: str) -> list[KeptPrediction]:
        """Return a flight."""
        if not id.startswith("UA-"):
            return []
        features: dict[str, float | str | None] = {"temp": 81.5, "carrier": "UA", "wind_speed": None}
        return [
            KeptPrediction(
                key=ModelKey(model, "winter", "demo"),
                id=id,
                time=NOW - 9 * HOUR,
                received=NOW - 8 * HOUR,
                score=0.0202,
                predicted="0",
                slices={"origin": "EWR"},
                features=features,
                trace_id=TRACE,
                span_id=SPAN,
            )
        ]

    def of_unknown_models(self, limit: int, model: str | None = None) -> list[UnknownOutcome]:
        """Return an outcome of a model whose name is misspelled."""
        said = UnknownOutcome("flihgts", "DL-9", "1", None, None, None, False, NOW - HOUR, "did you mean 'flights'?")
        return [said] if model in (None, said.model) else []

    def newest(self, key: ModelKey, since: int, until: int, limit: int) -> list[KeptPrediction]:
        """Return the newest flights."""
        return [
            KeptPrediction(key, id, until - at * HOUR, until, 0.1, (), "0")
            for at, id in enumerate(("UA-100", RIGHT_TO_LEFT_ID, "UA-102")[:limit])
        ]

    def waiting(self, model: str, limit: int) -> list[WaitingOutcome]:
        """Return what waits."""
        return [WaitingOutcome("DL-1", NOW - 40 * HOUR)][:limit]


class FakeLabels(LabelQueue):
    """Ten flights that nobody knows the end of."""

    def __init__(self) -> None:
        """Need no store."""

    def next(self, key: ModelKey, since: int, until: int, most: int, by: Collection[Reason] = REASONS) -> LabelBatch:
        """Return them."""
        rows = tuple(
            LabelCandidate(f"B6-{at}", since + at * HOUR, 0.5, "1", {}, {"uncertain": 1.0, "drifted": 0.25}, 0.125)
            for at in range(min(most, 10))
        )
        return LabelBatch(rows, (), 208)


class FakeHistory(History):
    """Was told of every ``UA-*`` twice: it was late, then it was not."""

    def __init__(self) -> None:
        """Need no store."""

    def outcomes(self, model: str, id: str) -> list[RecordedOutcome]:
        """Return both."""
        if not id.startswith("UA-"):
            return []
        return [
            RecordedOutcome(
                NOW - (7 - at) * HOUR,
                NOW - (6 - at) * HOUR,
                *(None, None, actual, None, None, None, {}, False),
                (MatchedPrediction("winter", "demo", NOW - 9 * HOUR, counts=at == 1),),
            )
            for at, actual in enumerate(("1", "0"))
        ]


def fake_rows() -> dict[str, Any]:
    """Return the rows of every page."""
    return {"mispredictions": FakeWrong(), "predictions": FakeKept(), "history": FakeHistory(), "labels": FakeLabels()}
