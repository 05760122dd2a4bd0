"""What a process sends to hosts elsewhere, noted on its way and answered as a test says: none of it leaves the machine.

A proxy of HTTPS that stands for every host, with a certificate of its own, and a server of mail.
"""

from __future__ import annotations

import shutil
import socketserver
import ssl
import subprocess
from collections.abc import Mapping
from contextlib import AbstractContextManager
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

from tests.support.recorded_requests import Answer, Answers, Asked, Service, listening

HOSTS = ("example.com", "*.example.com", "*.atlassian.net", "hooks.slack.com", "slack.com", "events.pagerduty.com")
"""Hosts for which the certificate is good."""


class Internet(Service):
    """Every host of HTTPS, for a process with :attr:`environment`.

    Attributes:
        down: Whether all hosts answer 503.
        loses: The end of paths whose requests are taken, and answered 503 all the same; "" = none.
        taken: What came and was taken, in its order.
        lost: What was taken so that nobody knows.
        environment: Variables that lead a process here.
    """

    def __init__(self, folder: Path, answers: Answers) -> None:
        self.down, self.loses = False, ""
        self.taken, self.lost = list[Asked](), list[Asked]()
        certificate = _certificate(folder)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
        super().__init__(self._answered(answers), _Connect)
        said = {"HTTPS_PROXY": self.url, "NO_PROXY": "", "HTTP_PROXY": "", "ALL_PROXY": ""}
        trusted = {"SSL_CERT_FILE": str(certificate), "REQUESTS_CA_BUNDLE": str(certificate)}
        self.environment: Mapping[str, str] = {**said, **{name.lower(): one for name, one in said.items()}, **trusted}

    def _answered(self, answers: Answers) -> Answers:
        def answered(asked: Asked) -> tuple[int, Any]:
            if self.down:
                return 503, None
            status, said = answers(asked)
            loses = bool(self.loses) and asked.path.endswith(self.loses)
            if status < 300:
                (self.lost if loses else self.taken).append(asked)
            return (503, None) if loses else (status, said)

        return answered

    def taken_by(self, host: str) -> list[Asked]:
        """Return what a host took."""
        return [one for one in self.taken if one.headers["host"] == host]


class _Connect(Answer):
    server: Internet

    def do_CONNECT(self) -> None:  # noqa: N802 - a name of the base class
        self.send_response(200)
        self.end_headers()
        try:
            tunnel = self.server.tls.wrap_socket(self.connection, server_side=True)
        except OSError:  # whoever asked was killed meanwhile
            return
        with tunnel:
            Answer(tunnel, self.client_address, self.server)
        self.close_connection = True


def _certificate(folder: Path) -> Path:
    """Write a certificate for :data:`HOSTS`, its key beside it; return its path."""
    assert shutil.which("openssl"), "no openssl: install Debian's package openssl"
    path = folder / "internet.pem"
    names = ",".join(f"DNS:{host}" for host in HOSTS)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=internet", "-addext", f"subjectAltName={names}"]
    command += ["-keyout", str(path.with_suffix(".key")), "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


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


def internet(folder: Path, answers: Answers) -> AbstractContextManager[Internet]:
    """Be every host elsewhere until the block ends."""
    return listening(Internet(folder, answers))


def mail() -> AbstractContextManager[Mail]:
    """Take mail until the block ends."""
    return listening(Mail())
