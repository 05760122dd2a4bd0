"""The ports of the demo: the usual ones, others where those are in use, and the ones that somebody asked for."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from driftline_processor.demo import processes
from driftline_processor.demo.processes import Ports, choose_ports
from msgspec.structs import astuple


@pytest.fixture
def taken() -> Iterator[int]:
    """Yield a port on which somebody listens, while the next three are free."""
    while True:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            if all(processes.is_free(port + number) for number in (1, 2, 3)):
                yield port
                return


def in_use(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    monkeypatch.setattr(processes, "is_free", lambda port: port not in ports)


def test_the_usual_ports_need_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    in_use(monkeypatch)
    assert choose_ports() == (Ports(8780, 4318, 4317, 8000), "")


def test_a_port_in_use_is_replaced_by_a_free_one_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    in_use(monkeypatch, 8780, 4318, 4317)
    chosen, told = choose_ports()
    assert chosen.service == 8000
    assert not {chosen.web, chosen.http, chosen.grpc} & {8780, 4318, 4317}
    assert told == (
        f"8780, 4318 and 4317 are in use, perhaps by another processor: the pages are at port {chosen.web}, "
        f"OTLP at {chosen.http} (HTTP) and {chosen.grpc} (gRPC), the service at 8000."
    )


def test_one_number_says_all_four_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    in_use(monkeypatch)
    assert astuple(choose_ports(21_200)[0]) == (21_200, 21_201, 21_202, 21_203)


def test_a_port_that_was_asked_for_and_is_in_use_is_an_error(taken: int) -> None:
    with pytest.raises(RuntimeError, match=rf"^{taken} is in use; --port N uses N and the next three ports$"):
        choose_ports(taken)
