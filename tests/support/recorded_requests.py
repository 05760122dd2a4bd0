"""A service that notes what is asked of it over HTTP, and answers as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.message import Message as EmailMessage
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit


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
"""Returns status and JSON of the answer to a request; text and None are sent as they are."""


class Service(ThreadingHTTPServer):
    """Answers every request.

    Attributes:
        asked: What came, in its order.
        answers: What is answered.
        headers: Of every answer, beside its length.
    """

    daemon_threads = True

    def __init__(self, answers: Answers, handler: type[BaseHTTPRequestHandler] | None = None) -> None:
        self.asked: list[Asked] = []
        self.answers = answers
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
        status, said = self.server.answers(asked)
        content = b"" if said is None else said.encode() if isinstance(said, str) else json.dumps(said).encode()
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
def service(answers: Answers) -> Iterator[Service]:
    """Listen on a free port until the block ends."""
    found = Service(answers)
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.shutdown()
        found.server_close()
        thread.join()
