"""``DELETE``: remove the data of prediction ids, of a subject or of a whole model, also from the disk."""

from __future__ import annotations

import logging

from driftline.tables.classes import class_text
from driftline.tables.ids import id_text
from msgspec.structs import replace
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded, principal_of, require
from driftline_processor.maintenance.erasure import (
    ErasureOrder,
    OrderNotWritten,
    SubjectNotConfigured,
    UnknownModel,
)
from driftline_processor.receipts import StorageOutage
from driftline_processor.servers.http_body import retry_later
from driftline_processor.web.site import Site

_log = logging.getLogger(__name__)

MOST_VALUES = 1000


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes that delete. Errors are ``{"error": "a sentence"}``."""

    async def delete(request: Request) -> Response:
        query_params = request.query_params
        ids = tuple(filter(None, map(id_text, query_params.getlist("id"))))
        subjects = tuple(filter(None, map(class_text, query_params.getlist("subject"))))
        if not query_params.get("model"):
            return _error(400, "the model is missing; add ?model=NAME")
        if bool(ids) == bool(subjects):
            return _error(
                400, "nothing to delete is given; use ?id=… or ?subject=…, each of them several times if needed"
            )
        if len(ids) + len(subjects) > MOST_VALUES:
            return _error(400, f"the request contains {len(ids) + len(subjects)} values; the maximum is {MOST_VALUES}")
        model, environment = query_params["model"], query_params.get("environment")
        require(request, "erase", model)
        order = (
            ErasureOrder(model, "id", ids, environment)
            if ids
            else ErasureOrder(model, "subject", subjects, environment)
        )
        return await carry_out(request, order)

    async def carry_out(request: Request, order: ErasureOrder) -> Response:
        order = replace(order, person=principal_of(request.scope).audited_name)
        try:
            erased = await run_in_threadpool(site.state.erase, order)
        except SubjectNotConfigured as reason:
            return _error(400, str(reason))
        except UnknownModel as reason:
            return _error(404, str(reason))
        except OrderNotWritten as reason:
            return _error(503, str(reason))
        except StorageOutage as outage:
            return retry_later(outage)
        except Exception as error:  # the disk is full, or readers do not finish
            _log.exception("a deletion could not be finished")
            return _error(
                503,
                f"the deletion is saved, but not finished: {error}; Driftline retries every ten minutes, and "
                "at the next start",
            )
        return JSONResponse({"predictions": erased.predictions, "outcomes": erased.outcomes, "joined": erased.joined})

    async def forget(request: Request) -> Response:
        query_params = request.query_params
        if not query_params.get("model"):
            return _error(400, "the model is missing; add ?model=NAME")
        require(request, "erase", query_params["model"])
        versions = tuple(query_params.getlist("version"))
        if len(versions) > MOST_VALUES:
            return _error(400, f"the request contains {len(versions)} versions; the maximum is {MOST_VALUES}")
        return await carry_out(
            request, ErasureOrder(query_params["model"], "model", versions, query_params.get("environment"))
        )

    return [
        Guarded(
            "/v1/predictions",
            delete,
            methods=["DELETE"],
            may="erase",
            by_model=True,
            parameters="model id* subject* environment",
        ),
        Guarded(
            "/v1/models",
            forget,
            methods=["DELETE"],
            may="erase",
            by_model=True,
            parameters="model version* environment",
        ),
    ]


def _error(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status_code=status)
