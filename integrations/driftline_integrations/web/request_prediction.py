"""The prediction of one request, from its headers to the end of its response. No step raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.capture.row_schema import ROW_BYTES
from driftline.faults import FAULTS
from driftline.integration.web_request import RequestPrediction as Opening
from driftline.integration.web_request import header_id
from driftline.outputs.output import UnreadResult
from driftline.tables.ids import IDS

from .route_plan import UNREAD, RequestContents, RoutePlan

if TYPE_CHECKING:
    from driftline.capture.prediction import Prediction

    from .routes import RequestParts

_NOT_FOUND = (404, 405)


def is_json(content_type: str) -> bool:
    """Return True if a content type is JSON: ``application/json``, or a type that ends in ``+json``.

    >>> is_json("application/json; charset=utf-8"), is_json("application/problem+json"), is_json("text/html")
    (True, True, False)
    """
    if content_type == "application/json":
        return True
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def is_upload(content_type: str) -> bool:
    """Return True if a request's body is not copied. Any other may be JSON: handlers need not check the content type.

    >>> is_upload("multipart/form-data; boundary=x"), is_upload("application/x-www-form-urlencoded"), is_upload("")
    (True, False, False)
    """
    return content_type.lower().startswith("multipart/")


class RequestPrediction(Opening):
    """A prediction that opens with a request and closes with its response.

    A response below 500 that is not a success, such as a 422 of the validation or a 404, is not a prediction, unless a
    model ran inside, or the response contains the route's score or class.

    Args:
        request_parts: Parts of the request, besides its body, that are read; None if there are none.
    """

    __slots__ = ("_body", "_contents", "_request_parts", "route")

    def __init__(self, route: RoutePlan, request_parts: RequestParts | None) -> None:
        self.route = route
        self._request_parts = request_parts
        self._body: bytes | None = None
        self._contents: RequestContents | None = None
        self.open(route.plan)

    def make(self) -> Prediction | None:
        """Return the prediction, with the values of the request if it is read before the response."""
        contents = self._make_contents()
        if contents is None:
            return self.prediction
        if self.route.is_early and (self._body is not None or not self.route.reads_body):
            contents.read_request()
        return contents.prediction

    def _make_contents(self) -> RequestContents | None:
        """Return the contents of the request for the prediction; None if it is over and was never created."""
        contents = self._contents
        if contents is None and not self.closed and (prediction := super().make()) is not None:
            contents = self._contents = RequestContents(self.route, prediction, self._request_parts)
            contents.body = self._body
        return contents

    def take_body(self, body: bytes) -> None:
        """Set the body of the request; it is read now if the code may use an id that it contains."""
        self._body = body
        if self.prediction is not None and (contents := self._make_contents()) is not None:
            contents.body = body
            if self.route.is_early:
                contents.read_request()

    def start_answer(self, status: int) -> None:
        """Decide whether the response has the prediction's id: not without a prediction, or if the body has an id."""
        route = self.route
        if self.prediction is None and 200 <= status < 300:
            if route.named_at_once:
                self.id = self.exchange.answer_id = self.exchange.request_id or IDS.uuid7(self.time)
                return
            if (id_value := route.id_in(self._body)) is not None:
                self.id = id_value or self.exchange.request_id or IDS.uuid7(self.time)
                self.exchange.answer_id = header_id(id_value) if id_value else self.id
                return
        contents = self._make_contents()
        if contents is None:
            return
        if route.is_early:
            contents.read_request()
        prediction = contents.prediction
        success = 200 <= status < 300 or status >= 500 or prediction.inner is not None
        if (not success or route.id_from_response) and prediction.exchange is not None:
            prediction.exchange.forget(prediction)

    def answer(self, status: int, response: Any) -> None:
        """Close the prediction with the response: its bytes, its parsed JSON, or an ``Unread``."""
        if self.closed:
            return
        try:
            if self.id and self.prediction is None and response.__class__ is bytes:
                body, parts = self._body, self._request_parts
                cost = ROW_BYTES + len(response) + (0 if body is None else len(body))
                self.close(self.route, cost, body if parts is None else (parts, body), response)
                return
            contents = self._make_contents()
            self.closed = True
            if contents is not None:
                contents.response = response
                self._end(contents, status)
        except Exception as fault:
            FAULTS.swallow("response", fault)

    def _end(self, request_contents: RequestContents, status: int) -> None:
        route, prediction, response = self.route, request_contents.prediction, request_contents.response
        if 200 <= status < 300 and response.__class__ is bytes:
            request_contents.cost += len(response) + (
                0 if request_contents.body is None else len(request_contents.body)
            )
            route.recorder.close_later(prediction, request_contents)
            return
        result = request_contents.read()
        if status >= 500:
            route.recorder.close(prediction, error=str(status))
        elif 200 <= status < 300 or prediction.inner is not None or self._says_result(result):
            route.recorder.close(prediction, result)
        else:
            route.recorder.abandon(prediction, str(status) if status else "no_response")
            if status in _NOT_FOUND and route.refused is not None:
                route.refused()

    def _says_result(self, response: Any) -> bool:
        return any(select(response).__class__ is not UnreadResult for select in self.route.selects)

    def fail(self, error: BaseException) -> None:
        """Close the prediction with the exception of the application."""
        if self.closed:
            return
        contents = None
        try:
            contents = self._make_contents()
            self.closed = True
            if contents is not None:
                contents.read_request()
        except Exception as fault:
            FAULTS.swallow("request", fault)
        if contents is not None:
            self.route.recorder.close(contents.prediction, error=error)

    def refuse(self, status: int) -> None:
        """Close the prediction with a status that was raised; the response is made outside the route and not seen."""
        try:
            self.start_answer(status)
        except Exception as fault:
            FAULTS.swallow("response", fault)
        self.answer(status, UNREAD)
