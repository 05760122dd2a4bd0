"""Receive panes that batch jobs have folded, by ``POST /v1/panes``: JSON, plain or compressed.

The route is on the ports of the pages and of OTLP/HTTP, as that of outcomes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from driftline.semconv import attributes, metrics
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from driftline_processor.access.principal import Principal
from driftline_processor.access.routes import Guarded, principal_of, require
from driftline_processor.core.decode.written_panes import MalformedPanes, RefusedPane, WrittenPanes, parse_panes
from driftline_processor.health import Counters
from driftline_processor.memory_ceiling import JSON
from driftline_processor.receipts import UNUSABLE_PANE, Overloaded, PanesReceipt, Receipt
from driftline_processor.servers.http_body import UNREADABLE, Body, receive_body, refuse_body, retry_later
from driftline_processor.servers.request_memory import ceiling_of

_log = logging.getLogger("driftline")

SubmitPanes = Callable[[WrittenPanes, int], "Future[Receipt]"]
"""Accepts panes and the bytes of their document; the future resolves when the transaction is on disk."""

NotePanes = Callable[[Principal, WrittenPanes], object]
"""Records who sent panes that are stored."""

MAX_BODY = 32 * 2**20
"""Maximum bytes of a document."""

PARSERS = 1
"""Threads for parsing documents: it holds the interpreter's lock."""

MOST_REFUSED = 100
"""Maximum number of refused panes in an answer; the rest are counted."""

_JSON = "application/json"


def routes(submit: SubmitPanes, counters: Counters, note: NotePanes = lambda *_: None) -> list[BaseRoute]:
    """Return the route of panes.

    Args:
        submit: Called once per request with the panes that could be read.
        counters: Counters of refused panes.
        note: Called with the sender and the panes before they are acknowledged.
    """
    parsers = ThreadPoolExecutor(PARSERS, "driftline-panes")

    async def post_panes(request: Request) -> Response:
        # no default, because a page of another site may post without a content type
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != _JSON:
            return _error(415, f"content type {kind[:80]!r} is not supported; use {_JSON}")
        loop = asyncio.get_running_loop()
        try:
            body = await receive_body(request, MAX_BODY)
            panes, size = await loop.run_in_executor(parsers, _read, body)
        except UNREADABLE as reason:
            return refuse_body(reason)
        except MalformedPanes as reason:
            return _error(400, str(reason))
        except Overloaded as overloaded:
            return retry_later(overloaded)
        except ClientDisconnect:
            return Response(status_code=400)
        require(request, "panes", panes.key.model)
        if panes.has_outcomes:
            require(request, "outcomes", panes.key.model)
        if panes.refused:
            counters.add(
                metrics.DRIFTLINE_REJECTED_ROWS, len(panes.refused), {attributes.DRIFTLINE_REASON: UNUSABLE_PANE}
            )
        try:
            receipt = (await asyncio.wrap_future(submit(panes, size))).panes or PanesReceipt()
        except Overloaded as overloaded:
            return retry_later(overloaded)
        except Exception:
            # nothing was acknowledged, and senders retry 503
            _log.exception("panes could not be stored")
            return retry_later(Overloaded(), "the panes could not be stored; see the log of driftline")
        if receipt.conflict:
            return _error(409, receipt.conflict)
        if receipt.accepted or receipt.replaced:
            await loop.run_in_executor(parsers, note, principal_of(request.scope), panes)
        return _answer(receipt, [*panes.refused, *receipt.refused])

    return [Guarded("/v1/panes", post_panes, may="panes", methods=["POST"], by_model=True, parameters="")]


def _read(body: Body) -> tuple[WrittenPanes, int]:
    data = body.unpacked()
    with ceiling_of(body.scope).working(JSON * len(data)):
        return parse_panes(data), len(data)


def _answer(receipt: PanesReceipt, refused: list[RefusedPane]) -> Response:
    refused.sort(key=lambda pane: pane.index)
    answer: dict[str, object] = {
        "accepted": receipt.accepted,
        "replaced": receipt.replaced,
        "unchanged": receipt.unchanged,
        "superseded": receipt.superseded,
        "refused": [{"index": pane.index, "reason": pane.reason} for pane in refused[:MOST_REFUSED]],
    }
    if len(refused) > MOST_REFUSED:
        answer["more_refused"] = len(refused) - MOST_REFUSED
    return JSONResponse(answer)


def _error(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status_code=status)
