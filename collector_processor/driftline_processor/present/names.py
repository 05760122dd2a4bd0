"""Received names of models, features and slices: shortened, printable, and safe in an address."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import xxhash
from driftline.tables.table import ModelKey

from driftline_processor.core.nearest_names import nearest
from driftline_processor.present.wording import short

from .numbers import count

LINKED = 200
"""Upper limit of characters of a name in an address; longer names are replaced by a digest."""


MOST_COMPARED = 1_000
"""Upper limit of names that an unknown name is compared with; each takes some microseconds."""


def first_names(names: Sequence[str], most: int = 10) -> str:
    """Return the first names, at most ``most``.

    >>> first_names(["a", "b"]), first_names(["x"] * 12)
    ('a, b', 'x, x, x, x, x, x, x, x, x, x and 2 more')
    """
    more = f" and {count(len(names) - most)} more" if len(names) > most else ""
    return ", ".join(short(name, 40) for name in names[:most]) + more


@lru_cache(maxsize=4096)
def handle(name: str) -> str:
    """Return a name's representation in an address: the name, or its printable beginning with a digest.

    One or two dots get a digest, too: browsers remove such a segment from an address.

    >>> handle("churn"), handle("x" * 1000)[198:]
    ('churn', 'x…~c0a4877b962cba82')
    >>> handle("..")
    '..~482c632370a33f0e'
    """
    if len(name) <= LINKED and name.isprintable() and name not in (".", ".."):
        return name
    return f"{short(name, LINKED)}~{xxhash.xxh3_64_hexdigest(name.encode('utf-8', 'surrogatepass'))}"


def near_handles(name: str, names: Sequence[str]) -> str:
    r"""Return a question with the handles of the most similar names; "" if none is similar.

    >>> near_handles("rsik", ["churn", "risk"]), near_handles("x", ["churn"]), near_handles("·", ["\x00"])
    ("did you mean 'risk'?", '', "did you mean '·~c44bdff4074eecdb'?")
    """
    handles = {short(known, LINKED): handle(known) for known in names[:MOST_COMPARED]}
    close = nearest(name[:LINKED], list(handles))
    return f"did you mean {' or '.join(repr(handles[match]) for match in close)}?" if close else ""


def near_names(name: str, names: Sequence[str]) -> str:
    r"""Return a question with the most similar names for a sender, who cannot use a handle.

    >>> near_names("rsik", ["churn", "risk"]), near_names("x", ["churn"]), near_names("·", ["\x00"])
    ("did you mean 'risk'?", '', '')
    """
    return near_handles(name, usable(names))


def usable(names: Sequence[str]) -> list[str]:
    r"""Return the names that can be typed as they are shown.

    >>> usable(["churn", "\x00"])
    ['churn']
    """
    return [name for name in names if handle(name) == name]


def model_name(key: ModelKey) -> str:
    """Return a model with its version and environment.

    >>> model_name(ModelKey("churn", "v2", "prod"))
    'churn v2 prod'
    """
    return " ".join(short(part) for part in (key.model, key.version, key.environment) if part)
