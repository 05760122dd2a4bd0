"""The types of values in ``driftline.yaml``: durations, addresses, windows, time zones, paths, classes and others."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlsplit

from driftline.tables.classes import class_text, quantile_levels
from driftline.tables.ranked_items import MOST_ITEMS
from driftline.tables.timestamps import instant
from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo

from driftline_processor.core.windows import window


@dataclass(frozen=True, slots=True)
class Form:
    """The name of a type of value in the reference of ``driftline.yaml``."""

    name: str


_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_UNITS = {
    f"{prefix}{kind}B": base**power
    for kind, base in (("", 1000), ("i", 1024))
    for power, prefix in enumerate("KMGT", 1)
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_HOST_NAME = re.compile(r"\*|(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")
_ORIGIN = re.compile(r"\*|https?://[A-Za-z0-9_.*-]+(?::(?:[0-9]{1,5}|\*))?/?")
_URL = re.compile(r"[!#-&(-;=?-\[\]_a-~]+")  # ASCII without space, quotes, < > \ ^ and backtick
_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[^:/\[\]\s]*)):(?P<port>\d{1,5})")


def parse_duration(text: object, *units: str) -> timedelta:
    """Read ``90d``, ``1h30m``, ``0s``; ``units`` are suggested if the unit is missing.

    >>> parse_duration("1h30m")
    datetime.timedelta(seconds=5400)
    >>> parse_duration("90", "d", "h")
    Traceback (most recent call last):
    ValueError: '90' has no unit; use '90d' or '90h'
    """
    if isinstance(text, timedelta):
        return text
    stripped = str(text).strip()
    parts = _DURATION.findall(stripped)
    if parts and "".join(number + unit for number, unit in parts) == stripped:
        try:
            return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
        except OverflowError:
            raise ValueError(f"'{stripped}' is too long; the longest duration is '999999999d'") from None
    if re.fullmatch(r"\d+(\.\d+)?", stripped):
        raise ValueError(f"'{stripped}' has no unit; use " + " or ".join(f"'{stripped}{unit}'" for unit in units))
    raise ValueError(f"'{stripped:.60}' is not a duration; use a number and a unit (ms, s, m, h, d, w), such as '10s'")


@dataclass(frozen=True, slots=True)
class Address:
    """An address to listen on. ``port`` 0: any free one, chosen by the system.

    >>> str(Address("::1", 4317))
    '[::1]:4317'
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def everywhere(self) -> bool:
        """Return True if it listens on every address of the machine."""
        return self.host in ("0.0.0.0", "::")

    @property
    def loopback(self) -> bool:
        """Return True if only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def meets(self, address: Address) -> bool:
        """Return True if listeners on both addresses would conflict or receive the same traffic."""
        if self.port != address.port or self.port == 0:
            return False
        if self.host == address.host or self.everywhere or address.everywhere:
            return True
        return self.loopback and address.loopback and "localhost" in (self.host, address.host)


def is_here(url: str) -> bool:
    """Return True if a URL, or host:port, is on this machine, for which no proxy (``HTTP_PROXY``) is used.

    >>> is_here("http://localhost:4318"), is_here("127.0.0.1:4317"), is_here("http://[::1]:4318"), is_here("http://d:4318")
    (True, True, True, False)
    """
    return Address(urlsplit(url if "://" in url else f"//{url}").hostname or "", 0).loopback


def _levels(value: object) -> object:
    return quantile_levels("regression", value) if isinstance(value, list | tuple) else value


def parse_address(value: object) -> Address:
    """Read ``host:port`` or ``[v6]:port``; ``:port`` listens on every address.

    >>> parse_address("http://127.0.0.1:4318/v1")
    Traceback (most recent call last):
    ValueError: 'http://127.0.0.1:4318/v1' is not an address; use only 'host:port', as in '127.0.0.1:4318'
    """
    if isinstance(value, Address):
        return value
    text = str(value).strip()
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not an address; use only 'host:port', as in '127.0.0.1:4318'")
    if int(match["port"]) > 65535:
        raise ValueError(f"port {match['port']} does not exist; ports go up to 65535")
    return Address(match["six"] or match["host"] or "0.0.0.0", int(match["port"]))


def _days(text: object) -> timedelta:
    return parse_duration(text, "d", "h")


def _seconds(text: object) -> timedelta:
    return parse_duration(text, "s", "m")


def parse_size(text: object) -> int:
    """Return the bytes of a size.

    >>> parse_size("10GB"), parse_size("1.5 MiB")
    (10000000000, 1572864)
    """
    match = _SIZE.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"'{text}' is not a size; use a number and a unit, such as '10GB' or '512MiB'")
    return int(float(match[1]) * _UNITS[match[2]])


def _window(value: object) -> str:
    window.parse(str(value).strip())
    return str(value).strip()


def _time_zone(value: object) -> str:
    window.time_zone(str(value))
    return str(value)


def _moment(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return instant(str(value))
    except ValueError:
        raise ValueError(f"'{value:.60}' is not a time; use ISO 8601, for example '2026-11-01T00:00:00Z'") from None


def _path(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, (str, Path)) or not str(value) or "\0" in str(value):
        raise ValueError(f"{value!r:.60} is not a path; use a string")
    try:
        return Path((info.context or {}).get("folder", "")) / Path(value).expanduser()
    except RuntimeError:
        raise ValueError(f"'{value}' begins with a user who does not exist; use the full path") from None


def _class_texts(value: object) -> object:
    return tuple(class_text(item) for item in value) if isinstance(value, (list, tuple)) else value


def _method_names(value: object, *, deciding: bool) -> object:
    """Read one name or several; pydantic reports other values."""
    from driftline_processor.core.drift.method_choice import check_names

    names = (value,) if isinstance(value, str) else value
    if isinstance(names, (list, tuple)):
        check_names((name for name in names if isinstance(name, str)), deciding=deciding)
    return names


def _host_name(value: object) -> object:
    """Return a host name without scheme and port."""
    if isinstance(value, str) and not _HOST_NAME.fullmatch(value):
        raise ValueError(
            f"'{value:.80}' is not a host name; use only the name, as in 'drift.example.com' or '*.example.com'"
        )
    return value


def _origin(value: object) -> object:
    """Return the origin of a site: scheme, host, and a port that is not the default."""
    if isinstance(value, str) and not _ORIGIN.fullmatch(value):
        raise ValueError(f"'{value:.80}' is not an origin; use scheme and host, as in 'https://shop.example.com'")
    return value


def _page_url(value: object) -> object:
    """Return the address of pages without a trailing slash."""
    if not isinstance(value, str) or not value:
        return value
    _check_url(value, "https://driftline.example.com")
    if any(character in value for character in "?#"):
        raise ValueError(f"'{value:.120}' must end with its path; remove '?' or '#' and what follows")
    return value.rstrip("/")


TRACE_PLACES = ("trace_id", "span_id")
"""Placeholders in an address of traces."""

_TRACE_EXAMPLE = "http://localhost:16686/trace/{trace_id}"


def _trace_url(value: object) -> object:
    """Return the address of a trace, which must contain ``{trace_id}``."""
    if not isinstance(value, str) or not value:
        return value
    try:
        parts = [part for part in Formatter().parse(value) if part[1] is not None]
    except ValueError:
        raise ValueError(f"'{value:.120}' has an unmatched brace; use for example '{_TRACE_EXAMPLE}'") from None
    for _, name, form, conversion in parts:
        if name not in TRACE_PLACES:
            raise ValueError(
                f"'{value:.120}' contains {{{name}}}, which is not a placeholder; use {{trace_id}} or {{span_id}}"
            )
        if form or conversion:
            raise ValueError(
                f"'{value:.120}' has more than the name inside the braces of {{{name}}}; use only {{{name}}}"
            )
    if "trace_id" not in {name for _, name, _, _ in parts}:
        raise ValueError(f"'{value:.120}' has no {{trace_id}}; use for example '{_TRACE_EXAMPLE}'")
    if "{" in _check_url(value, _TRACE_EXAMPLE):
        raise ValueError(
            f"'{value:.120}' has a placeholder in its host; put {{trace_id}} after the host, as in '{_TRACE_EXAMPLE}'"
        )
    return value


def _check_url(value: str, example: str) -> str:
    """Return the host of a URL for browsers; raises ValueError with the reason if it is invalid."""
    try:
        parts = urlsplit(value)
        host = parts.netloc if parts.port != 0 else ""
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https") or not _URL.fullmatch(value):
        raise ValueError(
            f"'{value:.120}' is not the URL of a page; use http or https, host and path, as in '{example}'"
        )
    if "@" in host:
        raise ValueError(
            f"'{host.rpartition('@')[2]:.120}' is preceded by a user name, which every link would show; "
            "remove the user name"
        )
    return host


def one_or_several(value: object) -> object:
    """Return a single text as a tuple."""
    return (value,) if isinstance(value, str) else value


def _as_text(value: object) -> object:
    """Return a YAML number as text, for instance for a header or the name of a slice."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


class Keep(NamedTuple):
    """Number of rows per day with stored features; None for all."""

    per_day: int | None = None


def _keep(value: object) -> Keep:
    """Read ``none``, ``all`` or ``sample:5000``."""
    if isinstance(value, Keep):
        return value
    text = str(value).strip()
    if text in ("none", "all"):
        return Keep(0 if text == "none" else None)
    match = re.fullmatch(r"sample:([0-9_]{1,12})", text)
    if match is None or not int(match[1]):
        raise ValueError(
            f"'{text[:60]}' is not allowed; use none, all, or for example sample:5000 to keep 5,000 rows per day"
        )
    return Keep(int(match[1]))


Days = Annotated[timedelta, BeforeValidator(_days), Form("duration")]
Seconds = Annotated[timedelta, BeforeValidator(_seconds), Form("duration")]
Size = Annotated[int, BeforeValidator(parse_size), Form("size")]
HostName = Annotated[str, BeforeValidator(_host_name), Form("host name")]
Origin = Annotated[str, BeforeValidator(_origin), Form("origin")]
PageUrl = Annotated[str, BeforeValidator(_page_url), Form("URL")]
TraceUrl = Annotated[str, BeforeValidator(_trace_url), Form("URL")]
Listen = Annotated[Address, BeforeValidator(parse_address), Form("address")]
FilePath = Annotated[Path, BeforeValidator(_path), Form("path")]
WindowName = Annotated[str, BeforeValidator(_window), Form("window")]
Moment = Annotated[int, BeforeValidator(_moment), Form("time")]
TimeZone = Annotated[str, BeforeValidator(_time_zone), Form("IANA name")]
ClassTexts = Annotated[tuple[str, ...], BeforeValidator(_class_texts), Form("list of class")]
ClassText = Annotated[str, BeforeValidator(class_text), Form("class")]
Text = Annotated[str, BeforeValidator(_as_text), Field(min_length=1), Form("text")]
Secret = Annotated[SecretStr, BeforeValidator(_as_text), Form("secret text")]
Deciding = Annotated[
    tuple[str, ...], BeforeValidator(partial(_method_names, deciding=True)), Form("name, or list of name")
]
Shown = Annotated[
    tuple[str, ...], BeforeValidator(partial(_method_names, deciding=False)), Form("name, or list of name")
]
Together = Annotated[tuple[Literal["pca", "correlation"], ...], BeforeValidator(one_or_several)]
Keeping = Annotated[Keep, BeforeValidator(_keep), Form("`none`, `all` or `sample:ROWS`")]
Share = Annotated[float, Field(ge=0, le=1), Form("number from 0 to 1")]
Between = Annotated[float, Field(gt=0, lt=1), Form("number between 0 and 1")]
Levels = Annotated[tuple[float, ...], BeforeValidator(_levels), Form("list of number")]
Cutoff = Annotated[int, Field(ge=1, le=MOST_ITEMS, strict=True), Form("whole number")]
