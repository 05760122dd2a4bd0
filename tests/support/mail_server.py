"""A mail server that notes what comes, and takes all of it."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message


class Mails(socketserver.ThreadingTCPServer):
    """Speaks as much of SMTP (RFC 5321) as a client without log-in needs.

    Attributes:
        mails: What came, in its order.
        recipients: To whom, in the words of the envelope.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self.recipients: list[str] = []
        super().__init__(("127.0.0.1", 0), _Session)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"


class _Session(socketserver.StreamRequestHandler):
    server: Mails

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline().decode().strip():
            word = line.upper()
            if word.startswith("DATA"):
                self._say("354 go on")
                text = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    text += part
                self.server.mails.append(message_from_bytes(text))
            elif word.startswith("RCPT"):
                self.server.recipients.append(line)
            elif word.startswith("QUIT"):
                self._say("221 bye")
                return
            self._say("250 fine")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def mail_server() -> Iterator[Mails]:
    """Listen on a free port until the block ends."""
    server = Mails()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
