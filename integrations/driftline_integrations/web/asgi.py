"""The two layers of plain ASGI around an application, for one request.

``Passage``: the outer layer, where a request enters; it puts the prediction's id on the response. ``Tee``: the inner
layer, around the router, for a route that predicts; it copies bodies as they pass, if they are read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from driftline.faults import FAULTS
from driftline.integration.web_request import HEADER, WebRequest
from opentelemetry import context

from .outcome_route import OUTCOME_BYTES, take_outcomes
from .request_prediction import RequestPrediction, is_json, is_upload
from .route_plan import UNREAD
from .routes import RequestParts

if TYPE_CHECKING:
    from driftline import Model

    from .route_plan import RoutePlan

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Mapping[bytes, bytes]

ID_HEADER = HEADER.lower().encode()
_JSON = b"application/json"


class Passage(WebRequest):
    """The outer layer of a request: adds the id of its prediction to the response."""

    __slots__ = ("onward",)

    onward: Send
    """Destination of the response."""

    def send(self, message: Message) -> Awaitable[None]:
        """Send a part of the response; add the id to its start if there is one and the response has none."""
        if message["type"] == "http.response.start":
            try:
                text = self.answer_id or self.answer()
                if text and ID_HEADER not in dict(headers := message.get("headers", ())):
                    message = {**message, "headers": [*headers, (ID_HEADER, text.encode())]}
            except Exception as fault:
                FAULTS.swallow("answer", fault)
        return self.onward(message)


class Tee(RequestPrediction):
    """Copies bodies between server and application, if they are read. No step raises."""

    __slots__ = ("_receive", "_response_body", "_send", "request_body", "status")

    def __init__(
        self, route: RoutePlan, request_parts: RequestParts | None, headers: Headers, receive: Receive, send: Send
    ) -> None:
        self.route = route
        self._request_parts = request_parts
        self._body = self._contents = None  # set directly, because each function call costs a request 0.5 µs
        self._receive, self._send = receive, send
        self.request_body: bytes | None = b"" if route.reads_body and _readable(route, headers, "request") else None
        self.status = 0
        self.open(route.plan)

    async def receive(self) -> Message:
        """Return a part of the request, and copy it."""
        message = await self._receive()
        if self.request_body is not None:
            try:
                if message["type"] == "http.request":
                    # a single part, without joining
                    body = self.request_body = self.request_body + message.get("body", b"")
                    if len(body) > self.route.limit:
                        self.request_body = None
                        self.route.go_without("request_too_large")
                    elif not message.get("more_body", False):
                        self.request_body = None
                        self._body = body
                        if self.prediction is not None:
                            self.take_body(body)
            except Exception as fault:
                FAULTS.swallow("request", fault)
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Send a part of the response, and copy it; the last part closes the prediction."""
        if not self.closed:
            try:
                if message["type"] == "http.response.start":
                    self.status = message["status"]
                    self.start_answer(self.status)
                    readable = _readable(self.route, dict(message.get("headers", ())), "response")
                    self._response_body: bytes | None = b"" if readable else None
                elif message["type"] == "http.response.body":
                    body = self._response_body
                    if body is not None:
                        body = self._response_body = body + message.get("body", b"")
                        if len(body) > self.route.limit:
                            body = self._response_body = None
                            self.route.go_without("response_too_large")
                    if not message.get("more_body", False):
                        self.answer(self.status, UNREAD if body is None else body)
            except Exception as fault:
                FAULTS.swallow("response", fault)
        return self._send(message)


def _readable(route: RoutePlan, headers: Headers, direction: str) -> bool:
    """Return True if a body may be JSON, and is within the size limit; otherwise count it."""
    kind, length = headers.get(b"content-type", b""), headers.get(b"content-length", b"")
    may_be_json = kind == _JSON or is_json(kind.decode("latin-1"))
    if direction == "request" and not may_be_json:
        has_body = length.strip(b"0") != b"" or b"transfer-encoding" in headers
        may_be_json = has_body and not is_upload(kind.decode("latin-1"))
    if not may_be_json or b"content-encoding" in headers:
        route.go_without(f"{direction}_not_json")
        return False
    if len(length) >= route.digits and length.isdigit() and int(length) > route.limit:
        route.go_without(f"{direction}_too_large")
        return False
    return True


def header_text(headers: Headers, name: str) -> str:
    """Return the value of a header by its lower-case name, "" for none."""
    value = headers.get(name.encode())
    return "" if value is None else value.decode("latin-1")


def request_parts(route: RoutePlan, headers: Headers, path: Mapping[str, Any], scope: Scope) -> RequestParts | None:
    """Return the parts of a request, besides its body, that are read later; None if there are none."""
    if not route.reads_more:
        return None
    wanted_headers = {name: header_text(headers, name) for name in route.headers}
    return RequestParts(
        wanted_headers.__getitem__,
        path,
        scope["query_string"],
        context=context.get_current() if route.reads_baggage else None,
    )


def path_within(path: str, root: str) -> str:
    """Return the path within this application, without the path of its mount."""
    root = root.rstrip("/")
    return path[len(root) :] or "/" if f"{path}/".startswith(f"{root}/") else path


async def answer_outcomes(model: Model, headers: Headers, receive: Receive, send: Send) -> None:
    """Answer a request of the outcome route."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        more = message.get("more_body", False) and len(body) <= OUTCOME_BYTES
    status, answer = take_outcomes(model, bytes(body), header_text(headers, "content-type"))
    answer_headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": answer_headers})
    await send({"type": "http.response.body", "body": answer})
