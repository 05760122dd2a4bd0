"""The result of a search for weak slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

By = Literal["error", "log_loss", "absolute_error"]
"""What is compared: the share of wrong decisions, and the log loss, of a classifier; the absolute error of a number."""


@dataclass(frozen=True, slots=True)
class Condition:
    """The condition on one feature that the rows of a slice share.

    ``low`` <= value < ``high``, None = without a bound; or ``label``: the value of a category; or ``absent``: there is
    no value ("missing"), or one of another type ("invalid"). ``text``: in words, without the feature.
    """

    feature: str
    text: str
    low: float | None = None
    high: float | None = None
    label: str | None = None
    absent: Literal["", "missing", "invalid"] = ""


@dataclass(frozen=True, slots=True)
class WeakSlice:
    """Rows on which the model does worse than on the others.

    ``conditions``: one or two, all of them hold. ``rows``: labelled rows of the slice. ``value``: the mean of ``by`` on
    those that confirmed it and had no part in finding it, ``low`` and ``high`` its 95 % interval; ``rest``: the mean of
    those outside the slice. ``p_value``: that they differ by chance, corrected for all that was put to the test.
    ``excess``: the share of all of ``by`` that would not be there, were the slice like the rest.
    """

    by: By
    conditions: tuple[Condition, ...]
    rows: int
    value: float
    low: float
    high: float
    rest: float
    p_value: float
    excess: float
    sentence: str

    @property
    def name(self) -> str:
        """Return what the slice is called.

        >>> condition = Condition("age", "below 25", high=25.0)
        >>> WeakSlice("error", (condition,), 900, 0.3, 0.2, 0.4, 0.1, 1e-6, 0.1, "").name
        'age below 25'
        """
        return " and ".join(f"{one.feature} {one.text}" for one in self.conditions)


@dataclass(frozen=True, slots=True)
class WeakSearch:
    """``slices``: those that were confirmed, the one that costs most first. ``rows``: labelled rows that were searched,
    ``features`` and ``pairs``: how many were looked at."""

    slices: tuple[WeakSlice, ...]
    rows: int
    features: int
    pairs: int
