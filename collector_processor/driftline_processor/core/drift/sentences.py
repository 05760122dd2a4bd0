"""The drift of one column in a sentence: how far, how sure, whether that is usual, and what would tell."""

from __future__ import annotations

from collections.abc import Callable

from driftline_processor.core.evaluation import ColumnDrift
from driftline_processor.core.wording import short

from .methods import METHODS


def column_sentence(column: ColumnDrift) -> str:
    """Say the state of a column: its size and value, what the reference's own windows do, what would have been seen.

    Args:
        column: Drift of a feature, the score or the class.

    >>> from driftline_processor.core.evaluation import MethodValue
    >>> methods = {"ks": MethodValue(0.41, 1e-9)}
    >>> state = "within_normal_variation"
    >>> temp = ColumnDrift("feature", "temp", state, "ks", 900, methods, size="large", alike=(7, 60))
    >>> column_sentence(temp)
    'temp is far from the reference (KS 0.41, large), and 7 of its own 60 windows of this length differ as much.'
    """
    name = column_words(column)
    return f"{name} {_SAID[column.state](column)}."


def column_words(column: ColumnDrift) -> str:
    """Return what a sentence calls a column: a feature by its name, the others with an article."""
    return short(column.name) if column.column == "feature" else f"the {column.words}"


def _distance(column: ColumnDrift) -> str:
    """Return the value of the method that decides, and the size: 'KS 0.41, large'."""
    method = column.methods.get(column.decided_by)
    if method is None or method.value is None:
        return column.size
    shown, value = column.decided_by, method.value
    psi = column.methods.get("psi")
    if shown == "chi2" and psi is not None and psi.value is not None:  # chi-square grows with the rows
        shown, value = "psi", psi.value
    return ", ".join(filter(None, [f"{METHODS[shown].symbol} {value:.3g}", column.size]))


def _own(column: ColumnDrift) -> str:
    """Return how many of the reference's own windows differ as much, with a comma; "" where nobody knows."""
    if column.alike is None:
        return ""
    alike, windows = column.alike
    if not alike:
        return f", and none of its own {windows} windows of this length differs as much"
    differ = "differs" if alike == 1 else "differ"
    return f", and {alike} of its own {windows} windows of this length {differ} as much"


def _seen(column: ColumnDrift) -> str:
    if column.detectable_change is None:
        return ""
    return f"a shift of {column.detectable_change:.2g} standard deviations would have been drift"


def _drift(column: ColumnDrift) -> str:
    if column.reason == "too_few_days":
        few = "whether its own time does this by itself, so short a reference cannot tell"
        return f"drifts ({_distance(column)}); {few}: more days of reference, or a shorter window, would"
    return f"drifts ({_distance(column)}){_own(column)}"


def _within_normal_variation(column: ColumnDrift) -> str:
    return f"is far from the reference ({_distance(column)}){_own(column)}"


def _ok(column: ColumnDrift) -> str:
    seen = _seen(column)
    return f"does not drift ({_distance(column)})" + (f"; {seen}" if seen else "")


def _inconclusive(column: ColumnDrift) -> str:
    if column.reason == "not_comparable":
        return "cannot be compared with the reference"
    if column.reason == "too_few_rows":
        large = f" ({_distance(column)})" if column.size == "large" else ""
        only = f": only {_seen(column)}" if column.detectable_change is not None else ""
        return f"cannot be told{large}: {column.rows:,} rows are too few{only}; a longer window would tell"
    if column.p_normal_variation is None:
        what = "so short a reference does not say whether its own time does this by itself"
        return f"differs from the reference ({_distance(column)}); {what}: more days of it, or a shorter window, would"
    return f"cannot be told: its days differ so much that only {_seen(column)}; more days of reference would tell"


_SAID: dict[str, Callable[[ColumnDrift], str]] = {
    "drift": _drift,
    "within_normal_variation": _within_normal_variation,
    "ok": _ok,
    "inconclusive": _inconclusive,
    "no_baseline": lambda _: "has no reference to be compared with",
}
