"""A service that keeps what is asked of it over HTTP, and answers as somebody says."""

from __future__ import annotations

import gzip
import json
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from email.message import Message as EmailMessage
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl, urlsplit

Server = TypeVar("Server", bound=socketserver.BaseServer)


class Asked(NamedTuple):
    """A request.

    Attributes:
        method: Of the request.
        path: Without the query, as it is written.
        query: The parameters of the query.
        headers: By name, in small letters.
        body: As it came.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)

    @property
    def unpacked(self) -> bytes:
        """The body without its compression."""
        return gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body

    @property
    def form(self) -> dict[str, tuple[str | None, str, bytes]]:
        """The parts of a form: name → name of the file, type and content."""
        head = f"content-type: {self.headers['content-type']}\r\n\r\n".encode()
        found = {}
        for part in BytesParser().parsebytes(head + self.body).get_payload():
            assert isinstance(part, EmailMessage)
            name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
            assert isinstance(name, str)
            assert isinstance(content, bytes)
            found[name] = (part.get_filename(), part.get_content_type(), content)
        return found


Answers = Callable[[Asked], tuple[int, Any]]
"""Returns status and JSON of the answer to a request; bytes, text and None are sent as they are."""


class Service(ThreadingHTTPServer):
    """Answers every request.

    Attributes:
        asked: What came, in its order.
        answers: What is answered. A request for which it raises is answered 400 with the error.
        refused: Those errors, each with its request.
        headers: Of every answer, beside its length.
    """

    daemon_threads = True

    def __init__(self, answers: Answers, handler: type[BaseHTTPRequestHandler] | None = None) -> None:
        self.asked: list[Asked] = []
        self.answers = answers
        self.refused: list[str] = []
        self.headers: dict[str, str] = {}
        super().__init__(("127.0.0.1", 0), handler or Answer)

    @property
    def url(self) -> str:
        """The address of the service, without a slash at its end."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def lines(self) -> list[str]:
        """Method and path of what came."""
        return [f"{one.method} {one.path}" for one in self.asked]


class Answer(BaseHTTPRequestHandler):
    """Answers one request of a :class:`Service`."""

    server: Service

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body)
        self.server.asked.append(asked)
        try:
            status, said = self.server.answers(asked)
        except Exception as error:
            reason = getattr(error, "message", str(error))  # of jsonschema: without the whole schema
            self.server.refused.append(f"{asked.method} {asked.path}: {reason}")
            status, said = 400, {"error": reason}
        text = "" if said is None else said if isinstance(said, str | bytes) else json.dumps(said)
        content = text.encode() if isinstance(text, str) else text
        self.send_response(status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - names of the base class

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def listening(server: Server) -> Iterator[Server]:
    """Let a server serve until the block ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def service(answers: Answers) -> AbstractContextManager[Service]:
    """Listen on a free port until the block ends."""
    return listening(Service(answers))
