"""An endpoint that answers with any bytes, without end if there is none."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


@contextmanager
def answering(pieces: Iterable[bytes], pause: float = 0.0, *, closes: bool = False) -> Iterator[str]:
    """Yield the URL of an endpoint that answers any request with these bytes, and then waits or closes."""
    done = Event()

    def answer() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65_536)
            for piece in pieces:
                connection.sendall(piece)
                if done.wait(pause):
                    return
            if not closes:
                done.wait()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            done.set()
            thread.join()


def whole(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> list[bytes]:
    lines = (b"HTTP/1.1 " + status, *headers, b"content-length: %d" % len(body), b"", body)
    return [b"\r\n".join(lines)]
