"""One client without any rights against the real service: half requests, half bodies, half calls, no files left."""

from __future__ import annotations

import re
import resource
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
import httpx
import pytest

from tests.support.otlp_peers import log
from tests.support.processes import process
from tests.support.waiting import wait_until

EXPORT = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
MIB = 2**20

pytestmark = pytest.mark.heavy


class Target(NamedTuple):
    """The running service."""

    child: subprocess.Popen[str]
    grpc: str
    http: str
    web: str

    def memory(self) -> float:
        """Resident memory in MiB."""
        text = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", text)[0]) / 1024

    def files(self) -> int:
        return len(list(Path(f"/proc/{self.child.pid}/fd").iterdir()))

    def open(self, head: str, *bodies: bytes) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", int(self.http.rpartition(":")[2])), timeout=60)
        client.sendall(head.encode())
        for body in bodies:
            client.sendall(body)
        return client

    def answers(self) -> bool:
        """Whether pages, OTLP over HTTP and over gRPC answer somebody else."""
        headers = {"content-type": "application/x-protobuf"}
        try:
            pages = httpx.get(f"http://{self.web}/readyz", trust_env=False, timeout=30).status_code
            sent = httpx.post(f"http://{self.http}/v1/logs", content=log("login"), headers=headers, trust_env=False)
            with grpc.insecure_channel(self.grpc, [("grpc.use_local_subchannel_pool", 1)]) as channel:
                channel.unary_unary(EXPORT)(log("logout"), timeout=30, wait_for_ready=True)
        except (httpx.TransportError, grpc.RpcError):
            return False
        return (pages, sent.status_code) == (200, 200)


@contextmanager
def target(folder: Path) -> Iterator[Target]:
    with process(folder) as child:
        assert child.stdout is not None
        first, second = child.stdout.readline(), child.stdout.readline()
        over_grpc, over_http = re.findall(r"127\.0\.0\.1:\d+", first)
        yield Target(child, over_grpc, over_http, second.split("http://")[1].strip())


HALF_HEAD = "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"


def test_half_requests_and_no_files_left_keep_nobody_out_for_long(tmp_path: Path) -> None:
    with target(tmp_path) as service, ExitStack() as opened:
        wait_until(service.answers)
        resource.prlimit(service.child.pid, resource.RLIMIT_NOFILE, (256, 256))
        for _ in range(400):
            opened.enter_context(service.open(HALF_HEAD))
        wait_until(service.answers)
        assert service.files() < 256

        # Now the system itself gives nothing more: accepting fails again and again, and that is said once.
        opened.close()
        wait_until(lambda: service.files() < 100)
        # Below the three standard streams no number is ever free, whatever the service closes meanwhile.
        resource.prlimit(service.child.pid, resource.RLIMIT_NOFILE, (3, 256))
        web = ("127.0.0.1", int(service.web.rpartition(":")[2]))
        with socket.create_connection(web, timeout=4) as waiting:
            waiting.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with pytest.raises(TimeoutError):
                waiting.recv(1)
            resource.prlimit(service.child.pid, resource.RLIMIT_NOFILE, (256, 256))
            waiting.settimeout(60)
            assert waiting.recv(100).startswith(b"HTTP/1.1 200")
        wait_until(service.answers)
        service.child.terminate()
        said = service.child.communicate(timeout=60)[1]
    assert said.count("new HTTP connections cannot be accepted: Too many open files") == 1
    assert "Traceback" not in said, said
    assert said.count("HTTP connections") <= 3  # one a minute of each


def test_half_sent_bodies_take_no_more_than_their_share(tmp_path: Path) -> None:
    with target(tmp_path) as service, ExitStack() as opened:
        wait_until(service.answers)
        before = service.memory()
        head = "POST /v1/outcomes?model=m HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
        for _ in range(10):
            client = opened.enter_context(service.open(f"{head}Content-Length: {128 * MIB}\r\n\r\n"))
            for _ in range(120):
                try:
                    client.sendall(bytes(MIB))
                except OSError:
                    break  # it was ended, since it took others' room
        assert service.memory() - before < 700  # 256 MiB are under way; ten bodies are 1,200
        wait_until(service.answers)


def test_half_sent_calls_take_no_more_than_their_share(tmp_path: Path) -> None:
    """Messages of 19 MiB over bare HTTP/2, each a byte short of its end: more of them than there are threads."""
    with target(tmp_path) as service, ExitStack() as opened:
        wait_until(service.answers)
        before = service.memory()
        for _ in range(80):
            half_call(opened, service.grpc)
        wait_until(service.answers)
        assert service.memory() - before < 700  # 80 messages are 1,520 MiB


def half_call(opened: ExitStack, address: str) -> None:
    """Begin an Export call and send what the server lets in of a message, without its end."""
    host, _, port = address.rpartition(":")
    client = opened.enter_context(socket.create_connection((host, int(port)), timeout=60))
    names = {":method": "POST", ":scheme": "http", ":path": EXPORT, ":authority": "localhost"}
    names |= {"content-type": "application/grpc", "te": "trailers"}
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in names.items())
    wide = struct.pack(">HI", 4, 2**31 - 1)  # SETTINGS_INITIAL_WINDOW_SIZE, for what the server sends
    client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, wide) + _frame(1, 4, 1, block))
    client.sendall(_frame(0, 0, 1, b"\0" + struct.pack(">I", 19 * MIB)))
    client.settimeout(0.5)
    sent, room, connection = 5, 65_535 - 5, 65_535 - 5
    pending = b""
    while sent < 19 * MIB:
        size = min(room, connection, 16_384, 19 * MIB - sent)
        try:
            if size > 0:
                client.sendall(_frame(0, 0, 1, bytes(size)))
                sent, room, connection = sent + size, room - size, connection - size
                continue
            pending += client.recv(65_536)
        except OSError:
            return  # the server gives no more room, or has ended the call
        while len(pending) >= 9 and len(pending) >= 9 + int.from_bytes(pending[:3], "big"):
            length, kind, flags, stream = int.from_bytes(pending[:3], "big"), pending[3], pending[4], pending[5:9]
            payload, pending = pending[9 : 9 + length], pending[9 + length :]
            if kind == 4 and not flags:
                for at in range(0, length, 6):
                    name, value = struct.unpack(">HI", payload[at : at + 6])
                    room += value - 65_535 if name == 4 else 0
                client.sendall(_frame(4, 1, 0, b""))
            elif kind == 6 and not flags:
                client.sendall(_frame(6, 1, 0, payload))
            elif kind == 8 and stream == b"\0\0\0\0":
                connection += int.from_bytes(payload, "big")
            elif kind == 8:
                room += int.from_bytes(payload, "big")
            elif kind in (3, 7):
                return


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _text(value: str) -> bytes:
    """A text of HPACK that is not packed and shorter than 127 bytes."""
    return bytes([len(value)]) + value.encode()
