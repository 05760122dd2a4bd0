"""``driftline conformance``: check an OTLP endpoint against the sentences of the OTLP specification."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from driftline_processor.readers.errors import BadInput

from .connection import Connection
from .option_parameters import for_a_reader_that_may_leave, report_bad_input, warn_of_exposed_token

FAILED = 1
"""Exit code if a MUST fails."""

_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([\x20-\x7e]+)")


def conformance(
    url: Annotated[
        str, typer.Argument(metavar="[URL]", help="Base URL of the OTLP/HTTP receiver, such as http://localhost:4318.")
    ] = "",
    grpc: Annotated[
        str, typer.Option(metavar="URL", help="URL of the OTLP/gRPC receiver, such as http://localhost:4317.")
    ] = "",
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Header of every request; repeatable.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with a token, sent as 'authorization: Bearer TOKEN'.")
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Certificates (PEM) of the authorities that you trust. Default: the certificates of the system.",
        ),
    ] = None,
    cert_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your certificate (PEM), if the endpoint requires one.")
    ] = None,
    key_file: Annotated[Path | None, typer.Option(metavar="FILE", help="The key (PEM) of --cert-file.")] = None,
    over_limit: Annotated[
        int,
        typer.Option(
            metavar="MIB",
            min=0,
            max=1024,
            help="A size in MiB that is above the endpoint's limit for one request. With this option, the limits are "
            "also checked. Four requests are sent per transport: one of this size and one of 64 MiB, each once plain "
            "and once compressed with gzip.",
        ),
    ] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with the sentences of the specification and links to them.")
    ] = False,
) -> None:
    """Check any OTLP endpoint against each MUST and SHOULD of the OTLP specification about receivers.

    The command sends about 40 requests over HTTP and 25 over gRPC, each smaller than 2 KiB. The requests contain spans,
    data points and log records of the service 'otlp-conformance'. Some have no ids or values, and a receiver may reject
    them. Other requests are empty or cannot be decoded. An endpoint that stores telemetry stores about 60 of the spans,
    points and records. These requests do not overload the endpoint. Large requests are sent only with --over-limit.
    https:// means TLS. Exit code: 0 = no MUST failed, 1 = a MUST failed, 2 = the endpoint cannot be checked.
    """
    with report_bad_input():
        if not url and not grpc:
            raise BadInput("the endpoint is missing; use the URL of OTLP/HTTP, or --grpc with a URL, or both")
        from driftline_processor.conformance.endpoint import Trust, open_grpc, open_http
        from driftline_processor.conformance.report import NotCheckedError, document, print_table, run

        given = dict(map(_parse_header, header or []))
        with ExitStack() as opened:
            transports = {}
            for name, address, open_transport in (("http", url, open_http), ("grpc", grpc, open_grpc)):
                if address:
                    server = Connection(_check_url(address), ca_file, cert_file, key_file, token_file)
                    warn_of_exposed_token(server)
                    token = server.headers() if token_file is not None else {}
                    trust = Trust({**token, **given}, server.context(), ca_file, cert_file, key_file)
                    transport = open_transport(server.url, trust)
                    opened.callback(transport.close)
                    transports[name] = transport
            try:
                report = run(transports, over_limit)
            except NotCheckedError as error:
                raise BadInput(str(error)) from None
    with for_a_reader_that_may_leave():
        if as_json:
            typer.echo(json.dumps(document(report), indent=2))
        else:
            print_table(report)
    if not report.conforms:
        raise typer.Exit(FAILED)


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port):
            return url.rstrip("/")
    except ValueError:
        pass
    raise BadInput(f"{url}: it is not a URL of an endpoint; use http://HOST:PORT or https://HOST:PORT")


def _parse_header(given: str) -> tuple[str, str]:
    match = _HEADER.fullmatch(given)
    if match is None:
        raise BadInput(f"--header: {given.partition('=')[0]!r} is not followed by '=' and a value; use NAME=VALUE")
    return match[1].lower(), match[2].strip()
