"""The grammar of metric names: ``base``, ``base@number`` (``fbeta@2``), ``base[class]`` (``recall[cat]``).

The same name is used in JSON, in the attribute ``driftline.performance.metric``, in objectives and in options.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from driftline.tables.classes import number_text

NAME = r"[a-z][a-z0-9_]*(?:@[0-9.eE+-]+)?(?:\[.*\])?"
"""Regular expression that matches every name."""

_NAME = re.compile(r"(?P<base>[a-z][a-z0-9_]*)(?:@(?P<at>[0-9.eE+-]+))?(?:\[(?P<of>.*)\])?", re.DOTALL)


class Name(NamedTuple):
    """A parsed name.

    Attributes:
        at: The number after ``@``.
        of: The class in brackets, ``*`` = each class.
    """

    base: str
    at: float | None = None
    of: str | None = None


@lru_cache(maxsize=1_024)
def parse_name(name: str) -> Name | None:
    """Parse a name; None if it is not a metric name.

    >>> parse_name("fbeta@2"), parse_name("recall[tabby cat]")
    (Name(base='fbeta', at=2.0, of=None), Name(base='recall', at=None, of='tabby cat'))
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        return Name(match["base"], None if match["at"] is None else float(match["at"]), match["of"])
    except ValueError:
        return None


def name_with_number(base: str, at: float) -> str:
    """Return a name with its number.

    >>> name_with_number("fbeta", 2.0), name_with_number("lift", 0.1)
    ('fbeta@2', 'lift@0.1')
    """
    return f"{base}@{number_text(at)}"
