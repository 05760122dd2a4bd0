"""TLS of a listener, whose files can be replaced while it runs: each new connection uses the newest good ones."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from typing import Any

import grpc

from driftline_processor.config.tls import CertificateError, TlsServer, certificate_problem, file_stamps, server_context

_log = logging.getLogger("driftline")


_PLAIN = b'{"error":"this port uses TLS; use a URL with https://"}\n'
_PLAIN_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
    % (len(_PLAIN), _PLAIN)
)


class _ServerSide(ssl.SSLObject):
    """One connection, whose client is told why its handshake fails.

    asyncio closes the connection of a failed handshake before it has sent OpenSSL's alert, and a client that still
    writes would not read it. So the handshake stays unfinished until the client closes the connection, or is too late.
    """

    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO
    failed = False

    def do_handshake(self) -> None:
        """Continue the handshake."""
        if self.failed:
            self.incoming.read()
            raise ssl.SSLWantReadError
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as failure:
            if failure.reason == "HTTP_REQUEST":
                self.outgoing.write(_PLAIN_ANSWER)
            if not self.outgoing.pending:
                raise
            self.failed = True
            raise ssl.SSLWantReadError from failure


class ServerContext(ssl.SSLContext):
    """The context of an HTTP listener."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Return the TLS side of a new connection."""
        connection = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        assert isinstance(connection, _ServerSide)
        connection.incoming, connection.outgoing = incoming, outgoing
        return connection


ServerContext.sslobject_class = _ServerSide


class ListenerTls:
    """The certificate of a listener. Thread-safe.

    Attributes:
        key: The place of the listener in the configuration.

    Args:
        key: The place of the listener in the configuration.
        tls: The keys.
        clock: Monotonic seconds.

    Raises:
        CertificateError: A file cannot be used.
    """

    def __init__(self, key: str, tls: TlsServer, clock: Callable[[], float] = time.monotonic) -> None:
        self.key, self._clock = key, clock
        self._interval = None if tls.reload_interval is None else tls.reload_interval.total_seconds()
        self._checked = clock()
        self._problem: str | None = None
        self._use(tls)

    @property
    def context(self) -> ssl.SSLContext:
        """The context for a new connection."""
        self._check()
        return self._context

    @property
    def outdated(self) -> bool:
        """Whether a file was replaced since it was read."""
        return file_stamps(self._tls.files) != self._read_stamps

    def sentence(self) -> str | None:
        """Return why the newest files are not used, or that the certificate in use has expired; None if all is well."""
        if self._problem is not None:
            return f"{self.key}.tls: {self._problem}; the files from before are used"
        problem = certificate_problem(self._tls.cert_file)
        return None if problem is None else f"{self.key}.tls: {problem}"

    def reload(self, tls: TlsServer | None = None) -> bool:
        """Read the files again, and keep the last good ones if one is bad. Return True if all are good.

        Args:
            tls: Other keys; None = the present ones.
        """
        try:
            self._use(tls or self._tls)
        except (CertificateError, OSError) as error:
            if str(error) != self._problem:  # a certificate and its key are not replaced in one moment
                _log.error("%s.tls: %s; the files from before are used", self.key, error)
            self._problem = str(error)
            return False
        self._problem = None
        return True

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """Return the credentials of a gRPC server, which asks for the newest files at each handshake."""
        self._given_to_grpc = self._grpc
        return grpc.dynamic_ssl_server_credentials(
            self._grpc, self._newest_grpc, require_client_authentication=self._tls.client_ca_file is not None
        )

    def _newest_grpc(self) -> Any:
        self._check()
        newest = self._grpc
        if newest is self._given_to_grpc:
            return None  # as before: gRPC would otherwise read the certificate anew at each handshake
        self._given_to_grpc = newest
        return newest

    def _check(self) -> None:
        """Read the files if the interval has passed and one of them has changed."""
        if self._interval is None or self._clock() - self._checked < self._interval:
            return
        self._checked = self._clock()
        if self.outdated:
            self.reload()

    def _use(self, tls: TlsServer) -> None:
        stamps = file_stamps(tls.files)
        problem = next(iter(tls.problems()), None)
        if problem is not None:
            raise CertificateError(problem.key, problem.text)
        context = server_context(tls, ServerContext)
        pairs = [(tls.key_file.read_bytes(), tls.cert_file.read_bytes())]
        roots = None if tls.client_ca_file is None else tls.client_ca_file.read_bytes()
        self._grpc = grpc.ssl_server_certificate_configuration(pairs, root_certificates=roots)
        self._context, self._tls, self._read_stamps = context, tls, stamps
