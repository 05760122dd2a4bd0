"""``/v1/baselines/{model}/{version}``: set the active baseline, return it, or build one from production data."""

from __future__ import annotations

import asyncio
from functools import partial
from urllib.parse import unquote

from driftline.baseline.baseline import Baseline
from driftline.tables.table import ModelKey
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded, principal_of, require
from driftline_processor.core.decode.untrusted_json import TooLarge, check_json
from driftline_processor.queries.baselines import BaselineShelf, ConfiguredBaselineError
from driftline_processor.servers.http_body import Body, MalformedBody, receive_body
from driftline_processor.web.parameters import moment
from driftline_processor.web.site import Site

MAX_BASELINE = 32 * 2**20
"""Upper limit of bytes per baseline; a hundred features need about half a megabyte."""

_PREFIX = b"/v1/baselines/"


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes of baselines. Errors are ``{"error": "a sentence"}``."""

    async def put(request: Request) -> Response:
        model, version = _named(request)
        require(request, "baselines", model)
        return await _put(request, site, model, version)

    async def get(request: Request) -> Response:
        model, version = _named(request)
        require(request, "read", model)
        key = ModelKey(model, version, request.query_params.get("environment", ""))
        return await run_in_threadpool(_get, request, site.state.queries.baselines, key)

    return [
        Guarded("/v1/baselines/{name:path}", get, may="read", by_model=True, parameters="environment since until"),
        Guarded("/v1/baselines/{name:path}", put, may="baselines", methods=["PUT"], by_model=True, parameters=""),
    ]


async def _put(request: Request, site: Site, model: str, version: str) -> Response:
    try:
        baseline = await run_in_threadpool(_baseline, await receive_body(request, MAX_BASELINE))
    except TooLarge:
        raise HTTPException(
            413, f"the baseline is larger than {MAX_BASELINE >> 20} MiB; baselines usually have a few kilobytes"
        ) from None
    except UnicodeDecodeError:
        raise HTTPException(
            400, "a baseline must be JSON in UTF-8; send the file that 'driftline baseline build' writes"
        ) from None
    except (MalformedBody, ValueError) as error:
        raise HTTPException(400, str(error)) from None
    if (baseline.model, baseline.version) != (model, version):
        raise HTTPException(
            400,
            f"this is the baseline of {_model_title(baseline.model, baseline.version)}, "
            f"not of {_model_title(model, version)}; "
            "'driftline baseline push' sends it under another name with --model and --version",
        )
    shelf = site.state.queries.baselines
    replaced = shelf.in_force(ModelKey(model, version))
    try:
        future = await run_in_threadpool(shelf.put, baseline)
    except ConfiguredBaselineError as named:
        raise HTTPException(409, str(named)) from None
    receipt = await asyncio.wrap_future(future)
    if receipt.rejected:
        raise HTTPException(400, "the baseline cannot be used; build it again")
    sender = principal_of(request.scope)
    note = partial(site.state.audit, "baseline_set", by=sender.audited_name, how=sender.login, model=model)
    words = "a baseline was pushed" if replaced is None else "a baseline was replaced by a pushed one"
    why = f"digest {baseline.digest}" + ("" if replaced is None else f", before: {replaced.baseline.digest}")
    await run_in_threadpool(partial(note, subject=version, words=words, why=why))
    answer = {"model": model, "version": version, "digest": baseline.digest, "rows": baseline.pane.rows}
    return JSONResponse({**answer, "features": len(baseline.bins.features)})


def _baseline(body: Body) -> Baseline:
    data = body.unpacked()
    check_json(data)
    return Baseline.from_json(data.decode())


def _get(request: Request, shelf: BaselineShelf, key: ModelKey) -> Response:
    if not {"since", "until"} & request.query_params.keys():
        baseline = shelf.in_force(key)
        if baseline is None:
            raise HTTPException(
                404,
                f"{_model_title(key.model, key.version)} has no baseline; send one to this address, "
                "or set it in driftline.yaml",
            )
        return Response(baseline.baseline.to_json(), media_type="application/json")
    of_then = shelf.of_production(key, moment(request, "since"), moment(request, "until"))
    if of_then is None:
        raise HTTPException(
            404,
            f"no rows of {_model_title(key.model, key.version)} were counted in the bins of its baseline "
            "in this period; "
            "'driftline top' shows what arrived",
        )
    return Response(of_then.to_json(), media_type="application/json")


def _named(request: Request) -> tuple[str, str]:
    """Return model and version from the undecoded path, since both names may contain a slash."""
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    parts = [
        unquote(part.decode("ascii", "replace")) for part in raw.partition(b"?")[0].removeprefix(_PREFIX).split(b"/")
    ]
    if not parts[0] or len(parts) > 2:
        raise HTTPException(
            404,
            "a baseline is at /v1/baselines/{model}/{version}, both percent-encoded; without a version, "
            "omit the last part",
        )
    return parts[0], parts[1] if len(parts) > 1 else ""


def _model_title(model: str, version: str) -> str:
    return f"{model[:80]} {version[:80]}" if version else f"{model[:80]} (no version)"
