"""A shop that answers "who are you?" with a prediction, for every kind of server; the servers' tests start it.

Nothing here knows which server it runs in. The model is made at import, as people do: with ``--preload`` that is before
the fork.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import driftline

driftline.configure(service_name="shop")
churn = driftline.Model("churn", task="binary")


@churn.predict(id="id")
def score(row: dict[str, Any]) -> float:
    return 0.25 if row["id"] else 0.75


if os.environ.get("SHOP_WARM"):
    score({"id": f"warm-{os.getpid()}"})


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Predict for the customer that the path names; answer with the process that did."""
    score({"id": environ["PATH_INFO"].strip("/")})
    start_response("200 OK", [("content-type", "text/plain")])
    return [str(os.getpid()).encode()]


async def asgi(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    """Do the same."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    score({"id": scope["path"].strip("/")})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
