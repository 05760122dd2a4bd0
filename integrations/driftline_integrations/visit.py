"""One request to a route that predicts: from its headers to the end of its response. No step raises."""

from __future__ import annotations

import json
from typing import Any

from driftline.faults import FAULTS
from driftline.outputs import Unread
from driftline.unrecorded import UNRECORDED

from .routes import Given, Missing, RoutePlan, follow, parameter

ABSENT_BODY = Unread("a response without a body")


def is_json(content_type: str) -> bool:
    """Say whether a content type is JSON: ``application/json``, or anything that ends in ``+json``.

    >>> is_json("application/json; charset=utf-8"), is_json("application/problem+json"), is_json("text/html")
    (True, True, False)
    """
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


class Visit:
    """A prediction that opens with a request and closes with its response.

    A response below 500 that is no success, such as a 422 of the validation or a 404, is no prediction: unless a model
    ran inside, or the response says the route's score or class.
    """

    __slots__ = ("_given", "_leave", "_open", "plan", "prediction")

    def __init__(self, plan: RoutePlan, given: Given) -> None:
        self.plan = plan
        self.prediction = plan.recorder.open()
        self._given = given
        self._leave = plan.recorder.hold(self.prediction)
        self._open = True
        if not plan.reads_body:
            self._read()

    def take_body(self, body: bytes) -> None:
        """Read the whole body of the request."""
        try:
            self._given.body = json.loads(body)
        except Exception:  # no JSON, or nested too deep, or in no encoding
            self.go_without("request_not_json")
            return
        self._read()

    def go_without(self, reason: str) -> None:
        """Go on without the features, or the result, for a reason that is counted."""
        UNRECORDED.add(self.plan.model.name, reason)

    def _read(self) -> None:
        plan, given = self.plan, self._given
        features: Any = None
        try:
            try:
                features = plan.read_features(given)
            except Missing:
                self.go_without("features_not_found")
            identity = plan.read_id(given)
            slices = plan.read_slices(given, features) if plan.slices else None
            if identity is None:
                plan.recorder.add(self.prediction, features=features, slices=slices)
            else:
                plan.recorder.add(self.prediction, features=features, id=identity, slices=slices)
        except Exception as fault:
            FAULTS.swallow("request", fault)

    @property
    def open(self) -> bool:
        """Whether the prediction still waits for its end."""
        return self._open

    def start_answer(self, status: int) -> None:
        """Decide whether the answer names the prediction: not where there is none, or where its body says the id."""
        source, exchange = self.plan.id, self.prediction.exchange
        success = 200 <= status < 300 or status >= 500 or self.prediction.inner is not None
        if exchange is not None and (not success or (source is not None and source.kind == "response")):
            exchange.forget(self.prediction)

    def answer(self, status: int, response: Any) -> None:
        """Close it with the response. ``response``: what its JSON says, or an ``Unread``."""
        if not self._open:
            return
        self._open = False
        recorder, prediction = self.plan.recorder, self.prediction
        try:
            if status >= 500:
                recorder.close(prediction, error=str(status))
            elif 200 <= status < 300 or self._predicted(response):
                self._take_id(response)
                recorder.close(prediction, response)
            else:
                recorder.abandon(prediction, str(status))
        except Exception as fault:
            FAULTS.swallow("response", fault)

    def fail(self, error: BaseException) -> None:
        """Close it with what the application raised."""
        if self._open:
            self._open = False
            self.plan.recorder.close(self.prediction, error=error)

    def leave(self) -> None:
        """Make current what was before the request, in the context in which this was made."""
        self._leave()

    def _predicted(self, response: Any) -> bool:
        if self.prediction.inner is not None:
            return True
        return any(select(response).__class__ is not Unread for select in self.plan.selects)

    def _take_id(self, response: Any) -> None:
        source = self.plan.id
        if source is not None and source.kind == "response" and response.__class__ is not Unread:
            try:
                identity = parameter(follow(response, source.parts))
            except Missing:
                return
            self.plan.recorder.add(self.prediction, id=identity)


def response_of(body: bytes) -> Any:
    """Return what a JSON response says, or an ``Unread``."""
    if not body:
        return ABSENT_BODY
    try:
        return json.loads(body)
    except Exception:
        return Unread("a response that is no JSON")
