"""Types of keys for HTTP requests, and problems of their values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr

from driftline_processor.core.policy.template import FACTS, LINKS, check_template

from .section import Problem
from .values import Form

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def _template(value: object) -> object:
    check_template(value)
    return value


def _mapping(value: object) -> object:
    if not isinstance(value, Mapping):
        raise ValueError("must be a mapping; put keys and values in braces, or indent them below it")
    return _template(value)


TextTemplate = Annotated[str, BeforeValidator(_template), Field(min_length=1), Form("template")]
Tree = Annotated[Any, BeforeValidator(_template), Form("template")]
Mapped = Annotated[dict[str, Any], BeforeValidator(_mapping), Form("mapping of templates")]
Attached = Literal["report"] | None


def header_problems(headers: Mapping[str, SecretStr]) -> Iterator[Problem]:
    """Yield a problem for every invalid header, without its value."""
    for header, value in headers.items():
        if not _HEADER.fullmatch(header):
            yield Problem("headers", f"'{header}' is not a valid header name; use letters, digits and hyphens")
        if not re.fullmatch(r"[\x20-\x7e]*", value.get_secret_value()):
            yield Problem(
                f"headers.{header}",
                "the value contains a line break or another character that is not allowed in a header",
            )


def base_url_problems(url: str) -> Iterator[Problem]:
    """Yield a problem for an address that is empty."""
    if not url:
        yield Problem("url", "is empty; use a URL such as 'https://host'")


def secret_url_problems(url: str) -> Iterator[Problem]:
    """Yield problems of a secret address, without the address."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"\s", url):
        yield Problem("url", "is not an HTTP URL; use for example 'https://host/path'")
    elif "{" in parts.netloc:
        yield Problem("url", "has a placeholder in its host; placeholders are allowed only after the host")
    else:
        try:
            check_template(url)
        except ValueError:
            yield Problem(
                "url", f"contains a placeholder that does not exist; use some of {', '.join([*FACTS, *LINKS])}"
            )
