"""The processes of a demo: ports, start, and an end that leaves none behind."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
from msgspec import Struct
from msgspec.structs import astuple

START_SECONDS = 60


class Ports(Struct, frozen=True):
    """The ports of 127.0.0.1 on which the demo listens: pages, OTLP over HTTP and gRPC, and the service."""

    web: int = 8780
    http: int = 4318
    grpc: int = 4317
    service: int = 8000


def choose_ports(first: int | None = None) -> tuple[Ports, str]:
    """Return the ports of the demo, and a sentence if they are not the default ones.

    Args:
        first: The port of the pages, which the other three follow; None = the default ports, with a free port
            in place of each that is in use.

    Raises:
        RuntimeError: A requested port is in use.
    """
    if first is not None:
        ports = Ports(*range(first, first + 4))
        occupied = [str(port) for port in astuple(ports) if not is_free(port)]
        if occupied:
            verb = "is" if len(occupied) == 1 else "are"
            raise RuntimeError(f"{' and '.join(occupied)} {verb} in use; --port N uses N and the next three ports")
        return ports, ""
    usual = astuple(Ports())
    occupied = [str(port) for port in usual if not is_free(port)]
    if not occupied:
        return Ports(), ""
    chosen = Ports(*(port if str(port) not in occupied else free_port() for port in usual))
    busy = f"{', '.join(occupied[:-1])} and {occupied[-1]} are" if occupied[1:] else f"{occupied[0]} is"
    return chosen, (
        f"{busy} in use, perhaps by another processor: the pages are at port {chosen.web}, OTLP at {chosen.http} "
        f"(HTTP) and {chosen.grpc} (gRPC), the service at {chosen.service}."
    )


def is_free(port: int) -> bool:
    """Return whether a port of 127.0.0.1 can be listened at."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError, OverflowError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def free_port() -> int:
    """Return a free port of 127.0.0.1."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return different free ports of 127.0.0.1: several calls for one port each may return the same."""
    with contextlib.ExitStack() as ending:
        probes = [ending.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def await_answer(
    url: str,
    process: subprocess.Popen[bytes],
    name: str,
    seconds: int = START_SECONDS,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Wait until ``url`` answers 200; raises ``RuntimeError`` if the process ends or the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with exit code {process.returncode} before it was ready (see above)")
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2, headers=headers).status_code == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"{name} did not answer at {url} within {seconds} s")


@contextlib.contextmanager
def running(
    command: list[str], environment: dict[str, str], log: Path, folder: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a child process in a folder and terminate it at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    except RuntimeError:
        sys.stderr.write(log.read_text(errors="replace"))
        raise
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
