"""Write names of models, features and slices that came from elsewhere: short, printable, and safe in an address."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import xxhash
from driftline.tables.table import ModelKey

SHOWN = 80
"""Characters of a name that a page shows; the rest is behind an ellipsis."""

LINKED = 200
"""Characters of a name that fit in an address; longer names are addressed by a digest."""


def printable(text: str) -> str:
    """Replace characters that are invisible, move a terminal's cursor or change its colours by a dot.

    >>> printable("a\\x1b[31mb")
    'a·[31mb'
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else "·" for c in text)


def short(name: str, length: int = SHOWN) -> str:
    """Cut a name to what a page can show, and make it printable.

    >>> short("x" * 1_000_000, 5), short("a\\u202eb")
    ('xxxx…', 'a·b')
    """
    shown = printable(name[: length + 1])
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def listed(names: Sequence[str]) -> str:
    """Name the first ten of many.

    >>> listed(["a", "b"]), listed(["x"] * 12)
    ('a, b', 'x, x, x, x, x, x, x, x, x, x and 2 more')
    """
    more = f" and {len(names) - 10:,} more" if len(names) > 10 else ""
    return ", ".join(short(name, 40) for name in names[:10]) + more


@lru_cache(maxsize=4096)
def handle(name: str) -> str:
    """Return what stands for a name in an address: itself, or a digest behind what can be printed of its beginning.

    >>> handle("churn"), handle("x" * 1000)[198:]
    ('churn', 'x…~c0a4877b962cba82')
    """
    if len(name) <= LINKED and name.isprintable():
        return name
    return f"{short(name, LINKED)}~{xxhash.xxh3_64_hexdigest(name.encode('utf-8', 'surrogatepass'))}"


def model_name(key: ModelKey) -> str:
    """Name a model with its version and environment.

    >>> model_name(ModelKey("churn", "v2", "prod"))
    'churn v2 prod'
    """
    return " ".join(short(part) for part in (key.model, key.version, key.environment) if part)
