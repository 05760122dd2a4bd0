"""The sentence about results that come from a sample of the rows."""

from __future__ import annotations


def sample_sentence(rows: int, total: int) -> str:
    """Return which results come from a sample, and from how many rows.

    >>> sample_sentence(20_000, 1_000_000)
    'Causes, weak slices and concept drift: from 20,000 of 1,000,000 rows; drift and metrics: from sums of all rows'
    """
    return (
        f"Causes, weak slices and concept drift: from {rows:,} of {total:,} rows; "
        "drift and metrics: from sums of all rows"
    )
