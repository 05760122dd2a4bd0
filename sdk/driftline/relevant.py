"""Which items of a ranking were relevant, said of the whole list at once: as people write it, and as it travels."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from .ids import id_text
from .inputs.row import clean_value
from .items import MOST_ITEMS

MOST_TEXT = 65_536
"""Characters of the longest that is read."""

_LISTS = ("to_list", "tolist", "to_pylist")


def relevant_text(actual: Any, fit: Callable[[str], str] | None = None) -> str | None:
    """Return the JSON of relevant items, [item, ...] or {item: gain, ...}; None for what is neither.

    ``actual``: a list, tuple, set, array or Series of item ids, or a mapping from item to how relevant it was. ``fit``:
    what makes an id fit to leave. Raises ``ValueError`` for an id or a gain that is none, and for too many items.

    >>> relevant_text(["p17", 4]), relevant_text({"p17": 3}), relevant_text("p17"), relevant_text(1)
    ('["p17", "4"]', '{"p17": 3.0}', None, None)
    """
    if isinstance(actual, Mapping):
        found: Any = {_item(item, fit): _gain(gain) for item, gain in actual.items()}
    else:
        values = _listed(actual)
        if values is None:
            return None
        found = [_item(item, fit) for item in values]
    text = json.dumps(found, ensure_ascii=False)
    if len(found) > MOST_ITEMS or len(text) > MOST_TEXT:
        raise ValueError(f"it names more than {MOST_ITEMS:,} items, or {MOST_TEXT:,} characters of them")
    return text


def _listed(actual: Any) -> list[Any] | None:
    if isinstance(actual, list | tuple | AbstractSet):
        return list(actual)
    for method in _LISTS:
        if hasattr(actual, method):
            values = getattr(actual, method)()
            return values if isinstance(values, list) else None
    return None


def _item(item: Any, fit: Callable[[str], str] | None) -> str:
    text = "" if isinstance(item, bool) else id_text(clean_value(item))
    if not text:
        raise ValueError("it names something that is no item id: a text or a number")
    return text if fit is None else fit(text)


def _gain(gain: Any) -> float:
    number = float(gain) if isinstance(clean_value(gain), bool | int | float) else math.nan
    if not math.isfinite(number):
        raise ValueError("it gives an item a relevance that is no number")
    return number
