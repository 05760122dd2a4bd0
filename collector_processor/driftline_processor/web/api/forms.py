"""Read what a person says in a form: few fields, none of them long, and from the processor's own machine.

Nobody signs in, so that nobody from elsewhere decides, also where the pages are open to others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

_PROXIED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""Headers by which a proxy says that it asks for somebody else."""

LONGEST = 500
"""Characters of what a person says."""


async def read_form(request: Request, names: Sequence[str], required: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a form. Raises 400 where one is missing or too long, 403 where it comes from elsewhere.

    Args:
        request: Whose body is the form.
        names: Of the fields; others are not read.
        required: Name of a field that must be there → how to write it.
    """
    if request.client is not None and not _is_loopback(request.client.host):
        raise HTTPException(403, "decisions are accepted only from the machine of the processor; run the command there")
    if any(name in request.headers for name in _PROXIED):
        raise HTTPException(
            403, "decisions are not accepted through a proxy; run the command on the machine of the processor"
        )
    form = dict(parse_qsl(await _text_of(request)))
    fields = {name: form.get(name, "").strip() for name in names}
    for name, fix in required.items():
        if not fields[name]:
            raise HTTPException(400, f"{name}: {fix}")
    if long := [name for name, text in fields.items() if len(text) > LONGEST]:
        raise HTTPException(400, f"{long[0]}: has more than {LONGEST} characters")
    return fields


def _is_loopback(peer: str) -> bool:
    """Return False for the address of another machine."""
    try:
        address = ip_address(peer)
    except ValueError:
        return True  # no connection over a network has such a peer
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


async def _text_of(request: Request) -> str:
    """Return the body of a form. Raises 413 where it is longer than any form of these fields."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > 16 * LONGEST:
            raise HTTPException(413, f"each field may have at most {LONGEST} characters")
    return body.decode("utf-8", "replace")
