"""Receive outcomes by ``POST /v1/outcomes``: JSON, NDJSON or CSV, plain or gzip.

The route is on the ports of the pages and of OTLP/HTTP, so that a service needs one address only.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import compress
from typing import NamedTuple

import xxhash
from driftline.semconv import attributes, metrics
from driftline.tables.table import OutcomeTable
from msgspec import Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from driftline_processor.access.principal import Principal
from driftline_processor.access.routes import Guarded, principal_of, refused
from driftline_processor.core.outcomes.unknown import STRAYS, UnknownOutcomes
from driftline_processor.health import Counters
from driftline_processor.memory_ceiling import JSON
from driftline_processor.present.sentences.outcomes import OTHER_PROCESSORS, unknown_outcomes_sentence
from driftline_processor.readers.outcomes.documents import parse_csv, parse_json, parse_ndjson
from driftline_processor.readers.outcomes.fields import MalformedOutcomes, UnusableField, text_of
from driftline_processor.readers.outcomes.outcome_rows import ParsedDocument
from driftline_processor.receipts import NOT_PERMITTED, UNUSABLE_OUTCOME, Overloaded, Receipt
from driftline_processor.servers.http_body import UNREADABLE, Body, receive_body, refuse_body, retry_later
from driftline_processor.servers.request_memory import ceiling_of

_log = logging.getLogger("driftline")

SubmitOutcomes = Callable[[list[OutcomeTable], bytes], "Future[Receipt]"]
"""Accepts tables and the digest of the request; the future resolves when the transaction is on disk."""

NoteOutcomes = Callable[[Principal, list[OutcomeTable]], object]
"""Records who sent outcomes that are stored."""

ReviewOutcomes = Callable[[list[OutcomeTable]], Sequence[UnknownOutcomes]]
"""Returns the stored outcomes that cannot be used, as far as is known now."""

MAX_JSON = 32 * 2**20
"""Maximum bytes of JSON, which becomes a Python object per field; larger files are NDJSON or CSV."""

MAX_FILE = 128 * 2**20
"""Maximum bytes of a file: about two million labels with ids and times."""

PARSERS = 2
"""Threads for parsing documents; others wait, and OTLP never waits for them."""

Parse = Callable[[bytes, str | None, str | None], ParsedDocument]
"""Parses a document; model and environment of the request are defaults for its rows."""

_FORMATS: dict[str, tuple[Parse, int]] = {
    "application/json": (parse_json, MAX_JSON),
    "application/x-ndjson": (parse_ndjson, MAX_FILE),
    "application/jsonl": (parse_ndjson, MAX_FILE),
    "text/csv": (parse_csv, MAX_FILE),
}


def routes(
    submit: SubmitOutcomes,
    counters: Counters,
    clock: Callable[[], int] = time.time_ns,
    review: ReviewOutcomes = lambda _: (),
    note: NoteOutcomes = lambda *_: None,
) -> list[BaseRoute]:
    """Return the routes of the outcome API.

    Args:
        submit: Called once per request with usable outcomes.
        counters: Counters of unusable outcomes.
        clock: Unix nanoseconds, the default time of outcomes.
        review: Called with the same outcomes when they are stored.
        note: Called with the sender and the same outcomes before they are acknowledged.
    """
    parsers = ThreadPoolExecutor(PARSERS, "driftline-outcomes")

    def noted(sender: Principal, tables: list[OutcomeTable]) -> Sequence[UnknownOutcomes]:
        note(sender, tables)
        return review(tables)

    async def post_outcomes(request: Request) -> Response:
        # No default, because a page of another site may post without a content type, but not with one of these.
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind not in _FORMATS:
            return _error(415, f"content type {kind[:80]!r} is not supported; use {', '.join(_FORMATS)}")
        parse, limit = _FORMATS[kind]
        try:
            body = await receive_body(request, limit)
            model = text_of(request.query_params.get("model"), "model")
            environment = text_of(request.query_params.get("environment"), "environment")
            now = clock()
            form = _Form(kind, parse, model, environment)
            read = await asyncio.get_running_loop().run_in_executor(parsers, _read, body, form, now)
        except UNREADABLE as reason:
            return refuse_body(reason)
        except (MalformedOutcomes, UnusableField) as reason:
            return _error(400, str(reason))
        except Overloaded as overloaded:
            return retry_later(overloaded)
        except ClientDisconnect:
            return Response(status_code=400)
        parsed, tables = read.parsed, read.tables
        if not tables and _all_lack_model(parsed):
            return _error(400, _no_model())
        tables, forbidden = _permitted(tables, principal_of(request.scope))
        if forbidden and not tables:
            raise refused(principal_of(request.scope), "outcomes", forbidden[0].model)
        _count(counters, parsed, forbidden)
        if not tables:
            return _answer(Receipt(), parsed)
        try:
            # A repeated outcome without a time is a new outcome (1, then 0, then 1 again), not a resend.
            digest = read.digest if read.timed else xxhash.xxh3_128_digest(read.digest + now.to_bytes(8, "little"))
            if forbidden:  # the same bytes of a sender who may send all of this are another request
                digest = xxhash.xxh3_128_digest(digest + repr(sorted({table.model for table in tables})).encode())
            receipt = await asyncio.wrap_future(submit(tables, digest))
        except Overloaded as overloaded:
            return retry_later(overloaded)
        except Exception:
            # Nothing was acknowledged, and senders retry 503.
            _log.exception("outcomes could not be stored")
            return retry_later(Overloaded(), "the outcomes could not be stored; see the log of driftline")
        sender = principal_of(request.scope)
        unknown = await asyncio.get_running_loop().run_in_executor(parsers, noted, sender, tables)
        return _answer(receipt, parsed, unknown, forbidden)

    return [
        Guarded(
            "/v1/outcomes",
            post_outcomes,
            may="outcomes",
            methods=["POST"],
            by_model=True,
            parameters="model environment",
        )
    ]


class _Document(Struct, frozen=True):
    """The content of a body.

    Attributes:
        timed: True if every row has a time.
        digest: Digest of the body and of its form.
    """

    parsed: ParsedDocument
    tables: list[OutcomeTable]
    timed: bool
    digest: bytes


class _Form(NamedTuple):
    """How to read a body.

    Attributes:
        kind: Its content type.
        parse: The parser of the type.
        model: Default model of rows.
        environment: Default environment of rows.
    """

    kind: str
    parse: Parse
    model: str | None
    environment: str | None


def _read(body: Body, form: _Form, now: int) -> _Document:
    data = body.unpacked()
    ceiling = ceiling_of(body.scope)
    needed = JSON * len(data) if form.kind == "application/json" else ceiling.of_document(len(data))
    with ceiling.working(needed):
        parsed = form.parse(data, form.model, form.environment)
        tables = parsed.rows.tables(now)
    digest = xxhash.xxh3_128(data)
    digest.update(f"{form.kind}\n{form.model}\n{form.environment}".encode())
    return _Document(parsed, tables, bool((parsed.rows.time != 0).all()), digest.digest())


def _permitted(tables: list[OutcomeTable], sender: Principal) -> tuple[list[OutcomeTable], list[OutcomeTable]]:
    """Return the outcomes of models of which a sender may send outcomes, and the other ones."""
    allowed = [sender.may("outcomes", table.model) for table in tables]
    return list(compress(tables, allowed)), [table for table, may in zip(tables, allowed, strict=True) if not may]


def _count(counters: Counters, parsed: ParsedDocument, forbidden: Sequence[OutcomeTable]) -> None:
    if forbidden:
        rows = sum(map(len, forbidden))
        counters.add(metrics.DRIFTLINE_REJECTED_ROWS, rows, {attributes.DRIFTLINE_REASON: NOT_PERMITTED})
    if parsed.rejections:
        counters.add(
            metrics.DRIFTLINE_REJECTED_ROWS, parsed.rejections, {attributes.DRIFTLINE_REASON: UNUSABLE_OUTCOME}
        )


def _answer(
    receipt: Receipt,
    parsed: ParsedDocument,
    unknown: Sequence[UnknownOutcomes] = (),
    forbidden: Sequence[OutcomeTable] = (),
) -> Response:
    rejected: list[dict[str, object]] = [{"index": index, "reason": reason} for index, reason in parsed.rejected]
    # Rejections by the state (an outcome for an expired prediction) are counted by reason, not listed by row.
    rejected += [
        {"index": None, "reason": reason, "rows": rows} for reason, rows in sorted(receipt.rejected.items()) if rows
    ]
    rejected += [
        {"index": None, "reason": f"{NOT_PERMITTED}: the model {table.model:.60}", "rows": len(table)}
        for table in forbidden
    ]
    answer: dict[str, object] = {"accepted": receipt.accepted, "rejected": rejected}
    if parsed.more:
        answer["more_rejected"] = parsed.more
    if unknown:
        answer["unknown"] = [
            {
                "kind": outcomes.kind,
                "rows": outcomes.rows,
                "checked": outcomes.checked,
                "reason": unknown_outcomes_sentence(outcomes)
                + (f". {OTHER_PROCESSORS}" if outcomes.has_stored_form and outcomes.rows >= STRAYS else ""),
            }
            for outcomes in unknown
        ]
    return JSONResponse(answer)


def _no_model() -> str:
    return "the model is missing; add ?model=NAME to the URL, or a model to every row"


def _all_lack_model(parsed: ParsedDocument) -> bool:
    return 0 < parsed.rejections == parsed.without_model


def _error(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status_code=status)
