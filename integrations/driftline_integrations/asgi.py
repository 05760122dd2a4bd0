"""The two layers of plain ASGI around an application, as what one request is on its way through them.

``Passage``: the outer one, where a request enters; it puts the prediction's id on the response. ``Tee``: the inner one,
around the router, of a route that predicts; it copies bodies on their way, as far as they are read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from driftline.exchange import HEADER, Exchange
from driftline.faults import FAULTS
from opentelemetry import context

from .outcome_route import OUTCOME_BYTES, take_outcomes
from .route_plan import UNREAD
from .routes import Given
from .visit import Visit, is_json

if TYPE_CHECKING:
    from driftline import Model

    from .route_plan import RoutePlan

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Mapping[bytes, bytes]

_HEADER = HEADER.lower().encode()
_JSON = b"application/json"


class Passage(Exchange):
    """A request on its way in, and its response on its way out, with the id of its prediction."""

    __slots__ = ("_send",)

    def __init__(self, headers: Iterable[tuple[bytes, bytes]], send: Send) -> None:
        given = dict(headers).get(_HEADER)
        super().__init__(given.decode("latin-1") if given else "")
        self._send = send

    def send(self, message: Message) -> Awaitable[None]:
        """Pass a part of the response on; its start with the id, if it has one and says none itself."""
        if message["type"] == "http.response.start":
            try:
                text = self.answer()
                if text and _HEADER not in dict(headers := message.get("headers", ())):
                    message = {**message, "headers": [*headers, (_HEADER, text.encode())]}
            except Exception as fault:
                FAULTS.swallow("answer", fault)
        return self._send(message)


class Tee(Visit):
    """Copies bodies on their way between server and application, as far as they are read. No step raises."""

    __slots__ = ("_heard", "_receive", "_said", "_send", "_status", "hears")

    def __init__(self, route: RoutePlan, given: Given | None, headers: Headers, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self.hears = route.reads_body and _readable(route, headers, "request")
        self._heard: bytes | None = b"" if self.hears else None
        self._said: bytes | None = None
        self._status = 0
        super().__init__(route, given)

    async def receive(self) -> Message:
        """Return a part of the request, and copy it."""
        message = await self._receive()
        if self._heard is not None:
            try:
                if message["type"] == "http.request":
                    heard = self._heard = self._heard + message.get("body", b"")  # of one part, that part itself
                    if len(heard) > self.route.limit:
                        self._heard = None
                        self.route.go_without("request_too_large")
                    elif not message.get("more_body", False):
                        self._heard = None
                        self.take_body(heard)
            except Exception as fault:
                FAULTS.swallow("request", fault)
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Pass a part of the response on, and copy it; its last one closes the prediction."""
        if not self.closed:
            try:
                if message["type"] == "http.response.start":
                    self._status = message["status"]
                    self.start_answer(self._status)
                    if _readable(self.route, dict(message.get("headers", ())), "response"):
                        self._said = b""
                elif message["type"] == "http.response.body":
                    said = self._said
                    if said is not None:
                        said = self._said = said + message.get("body", b"")
                        if len(said) > self.route.limit:
                            said = self._said = None
                            self.route.go_without("response_too_large")
                    if not message.get("more_body", False):
                        self.answer(self._status, UNREAD if said is None else said)
            except Exception as fault:
                FAULTS.swallow("response", fault)
        return self._send(message)

    def end(self) -> None:
        """Close what is still open, such as a response that was not finished, or sent as a file, and leave it."""
        if not self.closed:
            self.answer(self._status, UNREAD)
        self.leave()


def _readable(route: RoutePlan, headers: Headers, what: str) -> bool:
    """Say whether a body is JSON of a size that is read; count it where it is not."""
    kind = headers.get(b"content-type", b"")
    if (kind != _JSON and not is_json(kind.decode("latin-1"))) or b"content-encoding" in headers:
        route.go_without(f"{what}_not_json")
        return False
    length = headers.get(b"content-length", b"")
    if len(length) >= route.digits and length.isdigit() and int(length) > route.limit:
        route.go_without(f"{what}_too_large")
        return False
    return True


def text_of(headers: Headers, name: str) -> str:
    """Return the value of a header by its lower-case name, "" for none."""
    value = headers.get(name.encode())
    return "" if value is None else value.decode("latin-1")


def given_of(route: RoutePlan, headers: Headers, path: Mapping[str, Any], scope: Scope) -> Given | None:
    """Return what is read of a request later besides its body, None for nothing: a second's requests wait for it."""
    if not route.reads_more:
        return None
    wanted = {name: text_of(headers, name) for name in route.headers}
    return Given(
        wanted.__getitem__,
        path,
        scope["query_string"],
        context=context.get_current() if route.reads_baggage else None,
    )


def within(path: str, root: str) -> str:
    """Return the path within this application; that of a mounted one begins with where it is mounted."""
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
    status, answer = take_outcomes(model, bytes(body), text_of(headers, "content-type"))
    said = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": said})
    await send({"type": "http.response.body", "body": answer})
