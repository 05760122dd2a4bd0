"""The table of the streams: what each tool answered of the windows that are worse, equivalent, or neither."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .truth import CLASSES, Class

_ASKED = {"worse": "worse", "equivalent": "fine", "neither": "worse"}
"""The answer that is counted in bold: a hit in the first two classes, a false alarm in the third."""


def cells_of(answers: Iterable[tuple[Class, str]]) -> list[str]:
    """Return a line of the table: of each class how many windows a tool called worse, fine, or neither.

    Args:
        answers: The class and the answer of each window.

    >>> cells_of([("worse", "worse"), ("worse", "at_risk"), ("neither", "fine")])
    ['**1** / 0 / 1', '0 / **0** / 0', '**0** / 1 / 0']
    """
    counts = Counter(answers)
    return [_cell(of_class, counts) for of_class in CLASSES]


def _cell(of_class: Class, counts: Counter[tuple[Class, str]]) -> str:
    answers = {answer: counts[of_class, answer] for answer in ("worse", "fine")}
    rest = sum(number for (other, _), number in counts.items() if other == of_class) - sum(answers.values())
    asked = _ASKED[of_class]
    return " / ".join([*(f"**{n}**" if answer == asked else str(n) for answer, n in answers.items()), str(rest)])
