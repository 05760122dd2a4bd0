"""An endpoint that answers without end, or with what cannot be read, ends no run and fills no memory."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from itertools import chain, repeat

import pytest
from driftline_processor.conformance import endpoint
from driftline_processor.conformance.endpoint import LARGEST, Answer, Trust, open_http
from driftline_processor.conformance.messages import TRACES, Requests

from tests.support.hostile_endpoint import CHUNKED, OK, answering, whole

TOO_LARGE = "the response is larger than 1 MiB"
IN_TIME = "no complete response within 1 s"


def answer_of(url: str) -> Answer:
    transport = open_http(url, Trust({}, context=True))
    try:
        return transport.send(Requests().valid(TRACES))
    finally:
        transport.close()


@pytest.mark.parametrize(
    ("pieces", "pause", "reason"),
    [
        (chain([CHUNKED], repeat(b"10000\r\n" + bytes(65_536) + b"\r\n")), 0.0, TOO_LARGE),
        (whole(gzip.compress(bytes(64 * LARGEST)), b"content-encoding: gzip"), 0.0, TOO_LARGE),
        (chain([CHUNKED], repeat(b"1\r\n0\r\n")), 0.1, IN_TIME),
        (chain([OK], repeat(b"x: y\r\n")), 0.1, IN_TIME),
    ],
    ids=["a body without end", "a body that expands", "a byte now and then", "a header now and then"],
)
def test_an_answer_without_end_counts_as_none(
    monkeypatch: pytest.MonkeyPatch, pieces: Iterable[bytes], pause: float, reason: str
) -> None:
    if pause:
        monkeypatch.setattr(endpoint, "CONNECT", 0.5)
        monkeypatch.setattr(endpoint, "WAIT", 0.5)
    with answering(pieces, pause) as url:
        answer = answer_of(url)

    assert (answer.code, answer.reason) == ("", reason)


def test_json_of_many_levels_is_no_status() -> None:
    with answering(whole(b"[" * 200_000, b"content-type: application/json", status=b"400 Bad Request")) as url:
        answer = answer_of(url)

    assert (answer.code, answer.status) == ("400", None)
