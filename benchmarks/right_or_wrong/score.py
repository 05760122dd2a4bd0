"""The table of the streams: what each tool answered of the windows that are worse, equivalent, or neither."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from .truth import CLASSES, Class

Counts = Counter[tuple[Class, str]]
"""Windows by class of truth and answer."""


def count_answers(truth: Mapping[str, Mapping[int, Class]], answers: Mapping[str, Mapping[int, str]]) -> Counts:
    """Return how often each answer was given of the windows of each class.

    Args:
        truth: Class by stream and window.
        answers: Answer by stream and window.

    >>> count_answers({"bank": {3: "worse", 4: "worse"}}, {"bank": {3: "worse", 4: "at_risk"}})[("worse", "at_risk")]
    1
    """
    return Counter(
        (of_window, answers[stream][key]) for stream, classes in truth.items() for key, of_window in classes.items()
    )


def cells_of(counts: Counts) -> list[str]:
    """Return a line of the table: of each class how many windows a tool called worse, fine, or neither.

    >>> cells_of(Counter({("worse", "worse"): 3, ("worse", "at_risk"): 1, ("neither", "fine"): 2}))
    ['**3** / 0 / 1', '0 / **0** / 0', '**0** / 2 / 0']
    """
    return [_cell(of_class, counts) for of_class in CLASSES]


_ASKED = {"worse": "worse", "equivalent": "fine", "neither": "worse"}
"""The answer that counts: hits of the first two, false alarms of the third."""


def _cell(of_class: Class, counts: Counts) -> str:
    answers = {answer: counts[of_class, answer] for answer in ("worse", "fine")}
    rest = sum(number for (other, _), number in counts.items() if other == of_class) - sum(answers.values())
    asked = _ASKED[of_class]
    return " / ".join([*(f"**{n}**" if answer == asked else str(n) for answer, n in answers.items()), str(rest)])


def classes_of(truth: Iterable[Mapping[int, Class]]) -> Counter[Class]:
    """Return how many windows each class has."""
    return Counter(of_window for classes in truth for of_window in classes.values())
