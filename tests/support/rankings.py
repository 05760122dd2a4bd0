"""Rankings as the item ids of their lists."""

from __future__ import annotations

from driftline.tables.table import Items


def item_ids(items: Items | None) -> list[list[str | None]] | None:
    """Return the item ids of each row."""
    if items is None or items.ids.codes is None:
        return None
    ids = [items.ids.categories[code] if code >= 0 else None for code in items.ids.codes.tolist()]
    return [ids[first:last] for first, last in zip(items.offsets[:-1], items.offsets[1:], strict=True)]
