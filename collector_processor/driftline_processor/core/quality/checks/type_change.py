"""Type change: texts where numbers were, numbers where texts were."""

from __future__ import annotations

from driftline.strays import KINDS

from driftline_processor.core.quality.check import Check, Suspicion, Tested
from driftline_processor.core.quality.look import Look
from driftline_processor.core.quality.risen import Part, risen
from driftline_processor.core.quality.sums import Pair, Sums, labelled

_WRITTEN, _TEXT, _NUMBER = KINDS.index("number_in_text"), KINDS.index("text"), KINDS.index("number")


def find(look: Look) -> Tested:
    """Compare the share of values that have another type than the feature.

    From panes, exactly. Of a number: texts, "12" among them, which a service sent as a text; infinities are numbers. Of
    a category: numbers. A boolean is a number, 0 or 1.
    """
    looked_at = [pair for pair in look.pairs.values() if pair.number or labelled(pair)]
    found = [one for pair in looked_at if (one := _of(pair)) is not None]
    return Tested(len(looked_at), found)


def _strange(sums: Sums, number: bool) -> float:
    """Weight of the values of another type."""
    if number:
        return sums.invalid - sums.infinite
    return 0.0 if sums.kinds is None else float(sums.kinds[_NUMBER])


def _of(pair: Pair) -> Suspicion | None:
    if pair.number:
        kinds = pair.now.kinds
        written = kinds is not None and kinds[_WRITTEN] > kinds[_TEXT]
        what = "numbers written as texts" if written else "texts where numbers belong"
    else:
        what = "numbers where texts belong"
    was, now = (Part(_strange(sums, pair.number), sums.told) for sums in (pair.was, pair.now))
    return risen(CHECK.name, pair, was, now, f"are {what}")


CHECK = Check("type_change", "type change", "panes", find, covers=frozenset({"unseen", "out_of_range"}))
