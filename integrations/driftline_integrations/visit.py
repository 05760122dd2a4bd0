"""One request to a route that predicts: from its headers to the end of its response. No step raises."""

from __future__ import annotations

from typing import Any

from driftline.faults import FAULTS
from driftline.outputs import Unread
from driftline.shape import ROW_BYTES
from driftline.unrecorded import UNRECORDED

from .bodies import parse
from .routes import Given, Missing, RoutePlan, follow, parameter

UNREAD = Unread("a response that is not read: no JSON, too large, or not finished")
_NOT_FOUND = (404, 405)
_EMPTY = Unread("a response without a body")
_NO_JSON = Unread("a response that is no JSON")


def is_json(content_type: str) -> bool:
    """Say whether a content type is JSON: ``application/json``, or anything that ends in ``+json``.

    >>> is_json("application/json; charset=utf-8"), is_json("application/problem+json"), is_json("text/html")
    (True, True, False)
    """
    if content_type == "application/json":
        return True
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


class Visit:
    """A prediction that opens with a request and closes with its response.

    A response below 500 that is no success, such as a 422 of the validation or a 404, is no prediction: unless a model
    ran inside, or the response says the route's score or class. ``cost``: bytes that it holds until it is read.
    """

    __slots__ = ("_body", "_given", "_leave", "_response", "cost", "open", "plan", "prediction")

    def __init__(self, plan: RoutePlan, given: Given) -> None:
        self.plan = plan
        self.open = True
        self.prediction = prediction = plan.recorder.open()
        self._leave = plan.recorder.hold(prediction)
        self._given: Given | None = given
        self._body: bytes | None = None
        self._response: Any = UNREAD
        if plan.early and not plan.reads_body:
            self.read_request()

    def take_body(self, body: bytes) -> None:
        """Take the whole body of the request; it is read now where the answer's id depends on it."""
        self._body = body
        if self.plan.early:
            self.read_request()

    def go_without(self, reason: str) -> None:
        """Go on without the features, or the result, for a reason that is counted."""
        UNRECORDED.add((self.plan.model.name, reason))

    def read_request(self) -> None:
        """Give the prediction what the request says: features, id, slices."""
        plan, given, body = self.plan, self._given, self._body
        self._given = self._body = None
        if given is None:
            return
        if body is not None:
            try:
                given.body = parse(body)
            except Exception:  # no JSON, nested too deep, or in no encoding
                self.go_without("request_not_json")
                return
        try:
            features: Any = None
            if body is not None or not plan.reads_body:  # why there is none is counted
                try:
                    features = plan.read_features(given)
                except Missing:
                    self.go_without("features_not_found")
            slices = plan.read_slices(given, features) if plan.slices else None
            plan.recorder.add(self.prediction, features=features, id=plan.read_id(given), slices=slices)
        except Exception as fault:
            FAULTS.swallow("request", fault)

    def start_answer(self, status: int) -> None:
        """Decide whether the answer names the prediction: not where there is none, or where its body says the id."""
        plan, prediction = self.plan, self.prediction
        if plan.early:
            self.read_request()
        success = 200 <= status < 300 or status >= 500 or prediction.inner is not None
        if (not success or plan.id_from_response) and prediction.exchange is not None:
            prediction.exchange.forget(prediction)

    def answer(self, status: int, response: Any) -> None:
        """Close it with the response: its bytes, what its JSON says, or an ``Unread``."""
        if not self.open:
            return
        self.open = False
        recorder, prediction = self.plan.recorder, self.prediction
        self._response = response
        try:
            if 200 <= status < 300 and response.__class__ is bytes:
                self.cost = ROW_BYTES + len(response) + (0 if self._body is None else len(self._body))
                recorder.close_later(prediction, self)
                return
            result = self.read()
            if status >= 500:
                recorder.close(prediction, error=str(status))
            elif 200 <= status < 300 or self._predicted(result):
                recorder.close(prediction, result)
            else:
                recorder.abandon(prediction, str(status) if status else "no_response")
                if status in _NOT_FOUND and self.plan.refused is not None:
                    self.plan.refused()
        except Exception as fault:
            FAULTS.swallow("response", fault)

    def fail(self, error: BaseException) -> None:
        """Close it with what the application raised."""
        if self.open:
            self.open = False
            try:
                self.read_request()
            except Exception as fault:
                FAULTS.swallow("request", fault)
            self.plan.recorder.close(self.prediction, error=error)

    def refuse(self, status: int) -> None:
        """Close it with a status that was raised: what answers so stands around the route, and its body is not seen."""
        try:
            self.start_answer(status)
        except Exception as fault:
            FAULTS.swallow("response", fault)
        self.answer(status, UNREAD)

    def leave(self) -> None:
        """Make current what was before the request, in the context in which this was made."""
        self._leave()

    def read(self) -> Any:
        """Read what is not read yet, and return what the response says, or an ``Unread``."""
        self.read_request()
        response = self._response
        if response.__class__ is bytes:
            response = _response_of(response)
        if self.plan.id_from_response and self.plan.id is not None and response.__class__ is not Unread:
            try:
                self.plan.recorder.add(self.prediction, id=parameter(follow(response, self.plan.id.parts)))
            except Missing:
                self.go_without("id_not_found")
        return response

    def _predicted(self, response: Any) -> bool:
        if self.prediction.inner is not None:
            return True
        return any(select(response).__class__ is not Unread for select in self.plan.selects)


def _response_of(body: bytes) -> Any:
    if not body:
        return _EMPTY
    try:
        return parse(body)
    except Exception:
        return _NO_JSON
