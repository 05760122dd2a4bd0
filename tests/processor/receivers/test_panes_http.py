"""POST /v1/panes, over real requests against a recording state."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest
from driftline_processor.access.access import Access
from driftline_processor.access.principal import Permission, Principal
from driftline_processor.access.routes import Authentication
from driftline_processor.config.capabilities import Capability
from driftline_processor.core.decode.written_panes import RefusedPane, WrittenPanes
from driftline_processor.health import Counters
from driftline_processor.receipts import Overloaded, PanesReceipt, Receipt
from driftline_processor.receivers.panes_http import MOST_REFUSED, routes
from httpx2 import Response
from starlette.applications import Starlette
from starlette.testclient import TestClient

PANE = {"start": 0, "span": "1h", "sums": {"rows": [3, 3, 3]}}
JSON = {"content-type": "application/json"}


class PaneState:
    """Keeps the panes it is given, and answers as it is told."""

    def __init__(self) -> None:
        self.taken = list[WrittenPanes]()
        self.noted = list[int]()
        self.answer = PanesReceipt(accepted=1)
        self.error: Exception | None = None
        self.counters = Counters()
        access = Access.without_log_in()
        app = Authentication(Starlette(routes=routes(self.submit, self.counters, self.note)), access)
        self.client = TestClient(app)

    def submit(self, panes: WrittenPanes, size: int) -> Future[Receipt]:
        assert size
        future: Future[Receipt] = Future()
        if self.error is not None:
            raise self.error
        self.taken.append(panes)
        future.set_result(Receipt(panes=self.answer))
        return future

    def note(self, _: Principal, panes: WrittenPanes) -> None:
        self.noted.append(len(panes.panes))

    def post(self, panes: Sequence[Any], **more: Any) -> Response:
        document = {"model": "churn", "baseline": "d", "source": "nightly", "epoch": 1, "panes": panes, **more}
        return self.client.post("/v1/panes", content=json.dumps(document), headers=JSON)


@pytest.fixture
def state() -> PaneState:
    return PaneState()


def test_panes_reach_the_state_and_are_noted(state: PaneState) -> None:
    answer = state.post([PANE], version="2", environment="prod")
    assert (answer.status_code, answer.json()) == (
        200,
        {"accepted": 1, "replaced": 0, "unchanged": 0, "superseded": 0, "refused": []},
    )
    [panes] = state.taken
    assert (panes.key.model, panes.key.version, panes.key.environment) == ("churn", "2", "prod")
    assert (panes.source, panes.epoch, len(panes.panes)) == ("nightly", 1, 1)
    assert [(part.name, part.sums.tolist()) for part in panes.parts] == [("rows", [3, 3, 3])]
    assert state.noted == [1]


def test_unreadable_and_refused_panes_are_listed_by_index(state: PaneState) -> None:
    state.answer = PanesReceipt(refused=[RefusedPane(2, "late")])
    answer = state.post([PANE, {"start": -1, "span": "1h", "sums": {}}, PANE])
    assert answer.json()["refused"] == [
        {"index": 1, "reason": "Expected `int` >= 0 - at `$.start`"},
        {"index": 2, "reason": "late"},
    ]
    assert sum(state.counters.snapshot().values()) == 1
    assert state.noted == []


def test_a_long_list_of_refused_panes_is_cut(state: PaneState) -> None:
    answer = state.post([None] * (MOST_REFUSED + 5)).json()
    assert (len(answer["refused"]), answer["more_refused"]) == (MOST_REFUSED, 5)


def test_another_baseline_is_a_conflict(state: PaneState) -> None:
    state.answer = PanesReceipt(conflict="the panes are counted over the baseline d")
    answer = state.post([PANE])
    assert (answer.status_code, answer.json()) == (409, {"error": "the panes are counted over the baseline d"})


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"{", 400, "this is not a document of panes: Input data was truncated"),
        (b"[" * 100_000, 400, "this is not a document of panes: "),
        (b'{"model": "m"}', 400, "this is not a document of panes: Object missing required field `baseline`"),
        (
            b'{"model": "m", "baseline": "d", "source": "s", "epoch": -1, "panes": []}',
            400,
            "this is not a document of panes: Expected `int` >= 0 - at `$.epoch`",
        ),
        (
            b'{"model": "m", "baseline": "d", "source": "s", "epoch": 1}',
            400,
            "a document of panes has either 'panes' or 'packed'",
        ),
        (
            b'{"model": "m", "baseline": "d", "source": "s", "epoch": 1, "panes": [{"sums": {"rows": [NaN]}}]}',
            400,
            "this is not a document of panes: JSON is malformed: invalid character (byte 88)",
        ),
    ],
)
def test_a_document_that_is_none_is_refused_as_a_whole(state: PaneState, body: bytes, status: int, error: str) -> None:
    answer = state.client.post("/v1/panes", content=body, headers=JSON)
    assert answer.status_code == status
    assert answer.json()["error"].startswith(error)
    assert state.taken == []


def test_only_json_is_read_plain_or_compressed(state: PaneState) -> None:
    assert state.client.post("/v1/panes", content=b"{}").status_code == 415
    document = {"model": "churn", "baseline": "d", "source": "nightly", "epoch": 1, "panes": [PANE]}
    body = gzip.compress(json.dumps(document).encode())
    answer = state.client.post("/v1/panes", content=body, headers={**JSON, "content-encoding": "gzip"})
    assert (answer.status_code, len(state.taken)) == (200, 1)
    assert state.client.post("/v1/panes", content=b"x" * (33 << 20), headers=JSON).status_code == 413


def test_what_is_not_stored_is_sent_again(state: PaneState) -> None:
    for error in (Overloaded(1.5), RuntimeError("bug")):
        state.error = error
        answer = state.post([PANE])
        assert answer.status_code == 503
        assert "retry-after" in answer.headers


@pytest.mark.parametrize(
    ("may", "models", "sums", "status"),
    [
        (("panes",), ("churn",), {"rows": [1, 1, 1]}, 200),
        (("panes",), ("fraud",), {"rows": [1, 1, 1]}, 403),
        (("ingest", "outcomes"), ("*",), {"rows": [1, 1, 1]}, 403),
        (("panes",), ("*",), {"rows": [1, 1, 1], "outcomes": [1, 1, 1]}, 403),
        (("panes", "outcomes"), ("*",), {"rows": [1, 1, 1], "outcomes": [1, 1, 1]}, 200),
    ],
)
def test_a_sender_needs_the_capability_for_the_model_and_for_its_outcomes(
    state: PaneState,
    monkeypatch: pytest.MonkeyPatch,
    may: tuple[Capability, ...],
    models: tuple[str, ...],
    sums: dict[str, list[int]],
    status: int,
) -> None:
    job = Principal("job", (Permission(frozenset(may), models),), "token")
    monkeypatch.setattr(Access, "identify", lambda *_: job)
    assert state.post([{**PANE, "sums": sums}]).status_code == status
    assert len(state.taken) == (status == 200)
