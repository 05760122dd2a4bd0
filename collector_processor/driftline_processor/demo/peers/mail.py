"""A server of mail that keeps what it takes."""

from __future__ import annotations

import socketserver
from contextlib import AbstractContextManager
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default

from .recorder import listening


class Mail(socketserver.ThreadingTCPServer):
    """Takes mail by SMTP.

    Attributes:
        down: Whether it takes nothing for now.
        asked: How often somebody came.
        letters: What came and was taken, in its order.
        recipients: To whom, in the words of the envelope.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.down, self.asked, self.letters = False, 0, list[EmailMessage]()
        self.recipients: list[str] = []
        super().__init__(("127.0.0.1", 0), _Letter)

    @property
    def port(self) -> int:
        """Where it listens, on this machine."""
        port: int = self.server_address[1]
        return port


class _Letter(socketserver.StreamRequestHandler):
    server: Mail

    def handle(self) -> None:
        self.server.asked += 1
        if self.server.down:
            self._say("421 come again")
            return
        self._say("220 mail")
        while line := self.rfile.readline():
            verb = line[:4].strip().upper()
            if verb == b"DATA":
                self._say("354 go on")
                text = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.letters.append(BytesParser(_class=EmailMessage, policy=default).parsebytes(text))
            elif verb == b"RCPT":
                self.server.recipients.append(line.decode().strip())
            self._say("221 bye" if verb == b"QUIT" else "250 ok")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


def mail() -> AbstractContextManager[Mail]:
    """Take mail until the block ends."""
    return listening(Mail())
