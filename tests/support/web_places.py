"""Places where a model predicts in a web framework, as an integration holds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import driftline
from driftline.capture.deferred import Plain
from driftline.capture.prediction import DeferredReading, Prediction
from driftline.capture.snapshot import take_row
from driftline.integration.recorder import Recorder
from driftline.integration.web_request import RequestPrediction, WebRequest

ORDER = {"amount": 17.5, "country": "NO"}


class Closely:
    """Reads what takes a closer look."""

    cost = 1000

    def __init__(self, recorder: Recorder, prediction: Prediction, row: Any, score: Any) -> None:
        self._recorder, self._prediction, self._row, self._score = recorder, prediction, row, score

    def read(self) -> Any:
        self._recorder.add(self._prediction, features=self._row)
        return self._score


class Place:
    """A place where a model predicts: a request is a row, a response its score."""

    def __init__(self, model: driftline.Model) -> None:
        self._recorder = Recorder(model, "POST /predict")
        self.plan = self._recorder.plan
        self.closely = 0

    def plain(self, request: Any, response: Any) -> Plain | None:
        taken = take_row(self.plan, request)
        return (*taken, response, "") if taken is not None and isinstance(response, float) else None

    def defer(self, prediction: Prediction, request: Any, response: Any) -> DeferredReading:
        self.closely += 1
        return Closely(self._recorder, prediction, request, response)


@contextmanager
def exchange(given: str = "") -> Iterator[WebRequest]:
    """Enter a web request, and leave it."""
    one = WebRequest(given)
    token = one.enter()
    yield one
    one.leave(token)


def opened(place: Place) -> RequestPrediction:
    """Open a prediction of a place."""
    opening = RequestPrediction()
    opening.open(place.plan)
    return opening


def predict(place: Place, request: Any = ORDER, response: Any = 0.75, cost: int = 1000) -> RequestPrediction:
    """Open a prediction, name it, and close it, as a request does to which nothing happens."""
    with exchange():
        opening = opened(place)
        opening.id = "A-1"
        opening.close(place, cost, request, response)
        opening.leave()
    return opening
