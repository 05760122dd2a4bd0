"""The connection of a command to a processor: its URL, the trusted certificates, and who sends the requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct

from driftline_processor.readers.errors import BadInput

if TYPE_CHECKING:
    import ssl

    import httpx
    from driftline.export.connection_failures import ConnectionFailure

DEFAULT_URL = "http://127.0.0.1:8780"

WAIT = 30.0
"""Timeout in seconds."""


class Connection(Struct, frozen=True):
    """The values of ``--url`` and of the options about TLS and the log-in. Nothing is read before the first request.

    Attributes:
        url: URL of the pages; "" = not given.
        ca_file: Certificates that are trusted, as PEM; None = those of the system.
        cert_file: Certificate of this client, as PEM; None = none.
        key_file: Key of ``cert_file``.
        token_file: File with a token; None = that of a processor which this user runs on this machine, if there is one.
    """

    url: str = ""
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    token_file: Path | None = None

    @property
    def address(self) -> str:
        """The URL without a slash at the end, and with https as its scheme if it has none and certificates are given.

        >>> Connection("drift:8780").address, Connection("drift:8780", ca_file=Path("ca.crt")).address
        ('http://drift:8780', 'https://drift:8780')
        """
        url = self.url or DEFAULT_URL
        scheme = "http" if self.ca_file is None and self.cert_file is None else "https"
        return (url if "://" in url else f"{scheme}://{url}").rstrip("/")

    @property
    def encrypted(self) -> bool:
        """Whether the connection uses TLS."""
        return self.address.startswith("https://")

    @property
    def exposes_token(self) -> bool:
        """Whether others in the network can read the token of a file."""
        return self.token_file is not None and not self.encrypted and not self._is_here

    def context(self) -> ssl.SSLContext | bool:
        """Return what verifies the processor. Raises :class:`BadInput` if a file cannot be used."""
        if not self.encrypted:
            return True
        from driftline_processor.config.tls import CertificateError, client_context

        try:
            return client_context(self.ca_file, self.cert_file, self.key_file)
        except CertificateError as error:
            raise BadInput(f"--{error.key.replace('_', '-')}: {error}") from None

    def headers(self) -> dict[str, str]:
        """Return the header with the token. Raises :class:`BadInput` if its file cannot be used."""
        from driftline_processor.config.auth import file_problem

        if self.token_file is None:
            text = self._local_token()
        elif (problem := file_problem(self.token_file, secret=True)) is not None:
            raise BadInput(f"--token-file: {problem}")
        else:
            text = self.token_file.read_text(encoding="utf-8", errors="replace").strip()
            if not text or not text.isascii() or not text.isprintable():
                raise BadInput(f"--token-file: {self.token_file} has no token; use a file of 'driftline token create'")
        return {"authorization": f"Bearer {text}"} if text else {}

    def open(self, timeout: float | None = WAIT) -> httpx.Client:
        """Return a client for requests to paths. Raises :class:`BadInput` if a file or the URL cannot be used."""
        import httpx

        with self._checked_url():
            return httpx.Client(timeout=timeout, **self._options())

    def open_async(self, timeout: float | None = WAIT) -> httpx.AsyncClient:
        """Return a client for an event loop. Raises :class:`BadInput` as :meth:`open`."""
        import httpx

        with self._checked_url():
            return httpx.AsyncClient(timeout=timeout, **self._options())

    @contextmanager
    def open_processor(self, timeout: float | None = WAIT) -> Iterator[httpx.Client]:
        """Yield a client, after the address has answered as a processor does.

        A port that is silent is noticed before the long wait of the request, and another server before its answer is
        used. Raises :class:`BadInput` with the fix if there is no answer, also within the block.
        """
        with self.report_failures(), self.open(WAIT) as client:
            answer = client.get("/healthz")
            if not _is_health(answer):
                raise BadInput(self.refusal(answer.status_code, error_of(answer)))
            client.timeout = timeout
            yield client

    @contextmanager
    def report_failures(self) -> Iterator[None]:
        """Raise :class:`BadInput` with the fix if there is no answer."""
        import httpx

        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise BadInput(self.failure(error)) from None

    def is_final(self, error: Exception) -> bool:
        """Return True if another attempt would fail in the same way."""
        failure = self._tls_failure(error)
        return failure is not None and failure.kind in ("untrusted", "name", "plain")

    def failure(self, error: Exception, usage: str = "use --url with the URL of a running one") -> str:
        """Return why there is no answer, with the fix.

        Args:
            error: The error.
            usage: How to give another URL.
        """
        failure = self._tls_failure(error)
        if failure is not None:
            return f"{self.address}: {failure.sentence('--ca-file', '--cert-file and --key-file')}"
        return f"no response from {self.address}; start 'driftline up', or {usage}"

    def refusal(self, status: int, message: str) -> str:
        """Return an answer that is an error, with what to do about a missing or insufficient log-in."""
        if status == 401:
            if self.token_file is not None:
                return f"{self.address}: {message} ({self.token_file} was sent)"
            return f"{self.address}: {message}; use --token-file, or the variable DRIFTLINE_TOKEN_FILE"
        return f"{self.address}: {message}"

    @property
    def _is_here(self) -> bool:
        from driftline_processor.config.values import is_here

        return is_here(self.address)

    def _options(self) -> dict[str, Any]:
        """Return the arguments of a client."""
        return {
            "base_url": self.address,
            "verify": self.context(),
            "headers": self.headers(),
            # a proxy of the environment would get the token of this machine, and could not reach it
            "trust_env": not self._is_here,
        }

    @contextmanager
    def _checked_url(self) -> Iterator[None]:
        import httpx

        try:
            yield
        except (httpx.InvalidURL, ValueError) as error:
            raise BadInput(f"--url: {self.address} is not a URL: {error}") from None

    def _tls_failure(self, error: Exception) -> ConnectionFailure | None:
        from driftline.export.connection_failures import failure_of

        return failure_of(error, encrypted=self.encrypted, certified=self.cert_file is not None)

    def _local_token(self) -> str:
        """Return the token of a processor of this user on this machine, "" if there is none."""
        if not self._is_here:
            return ""
        from driftline_processor.access.local import local_token_file
        from driftline_processor.config.auth import file_problem

        try:
            file = local_token_file(urlsplit(self.address).port or (443 if self.encrypted else 80))
            return "" if file_problem(file, secret=True) else file.read_text(encoding="ascii").strip()
        except (OSError, ValueError, RuntimeError):  # no such file, no port, or no home directory
            return ""


def foreign(answer: httpx.Response, usage: str = "the address of the pages (web.endpoint)") -> str:
    """Return the sentence about an answer of another server."""
    return f"the response {answer.status_code} is not from Driftline; use {usage}"


def error_of(answer: httpx.Response) -> str:
    """Return the error in an answer of a processor, such as one that needs TLS; else that it is not from Driftline."""
    try:
        return str(answer.json()["error"]) if answer.is_error else foreign(answer)
    except (ValueError, KeyError, TypeError, RecursionError):
        return foreign(answer)


def _is_health(answer: httpx.Response) -> bool:
    try:
        return isinstance(answer.json()["problems"], list)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
