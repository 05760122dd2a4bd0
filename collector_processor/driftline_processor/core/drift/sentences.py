"""The drift of one target in a sentence: how far, how sure, whether that is usual, and what would tell."""

from __future__ import annotations

from collections.abc import Callable

from driftline_processor.core.evaluation import TargetDrift
from driftline_processor.core.wording import short

from .methods import METHODS


def target_sentence(target: TargetDrift) -> str:
    """Say the state of a target: its size and value, what the reference's own windows do, what would have been seen.

    Args:
        target: Drift of a feature, the score or the class.

    >>> from driftline_processor.core.evaluation import MethodValue
    >>> methods = {"ks": MethodValue(0.41, 1e-9)}
    >>> temp = TargetDrift("feature", "temp", "usual", "ks", 900, methods, size="large", alike=(7, 60), would_see=0.9)
    >>> target_sentence(temp)
    'temp is far from the reference (KS 0.41, large), and 7 of its own 60 windows of this length differ as much.'
    """
    name = target_words(target)
    return f"{name} {_SAID[target.state](target)}."


def target_words(target: TargetDrift) -> str:
    """Return what a sentence calls a target: a feature by its name, the others with an article."""
    return short(target.name) if target.target == "feature" else f"the {target.words}"


def _distance(target: TargetDrift) -> str:
    """Return the value of the method that decides, and the size: 'KS 0.41, large'."""
    method = target.methods.get(target.decided_by)
    if method is None or method.value is None:
        return target.size
    shown, value = target.decided_by, method.value
    psi = target.methods.get("psi")
    if shown == "chi2" and psi is not None and psi.value is not None:  # chi-square grows with the rows
        shown, value = "psi", psi.value
    return ", ".join(filter(None, [f"{METHODS[shown].symbol} {value:.3g}", target.size]))


def _own(target: TargetDrift) -> str:
    """Return how many of the reference's own windows differ as much, with a comma; "" where nobody knows."""
    if target.alike is None:
        return ""
    alike, windows = target.alike
    if not alike:
        return f", and none of its own {windows} windows of this length differs as much"
    differ = "differs" if alike == 1 else "differ"
    return f", and {alike} of its own {windows} windows of this length {differ} as much"


def _seen(target: TargetDrift) -> str:
    if target.would_see is None:
        return ""
    return f"a shift of {target.would_see:.2g} standard deviations would have been drift"


def _drift(target: TargetDrift) -> str:
    if target.lacking == "days":
        few = "whether its own time does this by itself, so short a reference cannot tell"
        return f"drifts ({_distance(target)}); {few}: more days of reference, or a shorter window, would"
    return f"drifts ({_distance(target)}){_own(target)}"


def _usual(target: TargetDrift) -> str:
    return f"is far from the reference ({_distance(target)}){_own(target)}"


def _ok(target: TargetDrift) -> str:
    seen = _seen(target)
    return f"does not drift ({_distance(target)})" + (f"; {seen}" if seen else "")


def _cannot_tell(target: TargetDrift) -> str:
    if target.lacking == "rows":
        large = f" ({_distance(target)})" if target.size == "large" else ""
        only = f": only {_seen(target)}" if target.would_see is not None else ""
        return f"cannot be told{large}: {target.rows:,} rows are too few{only}; a longer window would tell"
    if target.p_usual is None:
        what = "so short a reference does not say whether its own time does this by itself"
        return f"differs from the reference ({_distance(target)}); {what}: more days of it, or a shorter window, would"
    return f"cannot be told: its days differ so much that only {_seen(target)}; more days of reference would tell"


_SAID: dict[str, Callable[[TargetDrift], str]] = {
    "drift": _drift,
    "usual": _usual,
    "ok": _ok,
    "cannot_tell": _cannot_tell,
    "blind": lambda _: "cannot be compared with the reference",
    "no_baseline": lambda _: "has no reference to be compared with",
}
