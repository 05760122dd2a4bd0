"""The tables of the streams: what each tool answered of the windows that are worse, equivalent, or neither."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from simulations.frame import markdown

from .streams import KNOWN
from .truth import CLASSES, Class

_ASKED = {"worse": "worse", "equivalent": "fine", "neither": "worse"}
"""The answer that is counted in bold: a hit in the first two classes, a false alarm in the third."""

NO_ANSWER = "no answer"
"""How the answer of a tool begins that cannot read a stream; the reason follows."""

HEADS = {"worse": "worse beyond the margin", "equivalent": "equivalent", "neither": "neither is shown"}
ROWS = {
    "driftline windows": "Driftline, state of the window",
    "driftline model": "Driftline, state of the model when the window ended",
    "nannyml realized": "NannyML, realized performance",
    "nannyml estimated": "NannyML, estimated performance (CBPE, DLE)",
    "evidently quality": "Evidently, tests of its quality preset",
    "evidently decisive": "Evidently, only its tests of log loss, AUC, MAE, accuracy, for the worse",
    "evidently drift": "Evidently, drift preset",
    "river errors": "River, ADWIN on the errors",
    "scipy inputs": "scipy, KS and chi-square per input, Bonferroni",
}
"""The lines of the table, by tool and kind of answer."""


def columns_of(windows: pd.DataFrame) -> dict[str, str]:
    """Return the columns of answers by tool and kind, without the version."""
    return {column.partition(" ")[0] + column.partition(":")[2]: column for column in map(str, windows)}


def streams_table(windows: pd.DataFrame) -> str:
    """Return the table of the streams, and why tools have no answer."""
    windows, columns, classes = windows.fillna(f"{NO_ANSWER}: not asked"), columns_of(windows), list(windows["class"])
    head = ["called worse / fine / neither", *(f"{classes.count(name)} windows: {HEADS[name]}" for name in CLASSES)]
    rows = {key: words for key, words in ROWS.items() if key in columns}
    lines = [[words, *cells_of(zip(classes, windows[columns[key]], strict=True))] for key, words in rows.items()]
    versions = dict.fromkeys(columns[key].partition(":")[0] for key in rows)
    reasons = [
        f"{words}: {reason} ({', '.join(of_reason['stream'].unique())})\n"
        for key, words in rows.items()
        for reason, of_reason in windows.groupby(columns[key])
        if str(reason).startswith(NO_ANSWER)
    ]
    return f"{markdown(head, lines)}\n{', '.join(versions)}\n{''.join(reasons)}"


def cells_of(answers: Iterable[tuple[Class, str]]) -> list[str]:
    """Return a line of the table: of each class how many windows a tool called worse, fine, or neither.

    Args:
        answers: The class and the answer of each window.

    >>> cells_of([("worse", "worse"), ("worse", "at_risk"), ("neither", "fine"), ("neither", "no answer: no scores")])
    ['**1** / 0 / 1', '0 / **0** / 0', '**0** / 1 / 1 (1 no answer)']
    """
    counts = Counter(answers)
    return [_cell(of_class, counts) for of_class in CLASSES]


def _cell(of_class: Class, counts: Counter[tuple[Class, str]]) -> str:
    answers = {answer: counts[of_class, answer] for answer in ("worse", "fine")}
    others = {
        answer: number for (other, answer), number in counts.items() if other == of_class and answer not in answers
    }
    none = sum(number for answer, number in others.items() if answer.startswith(NO_ANSWER))
    asked = _ASKED[of_class]
    cells = [*(f"**{n}**" if answer == asked else str(n) for answer, n in answers.items()), str(sum(others.values()))]
    return " / ".join(cells) + (f" ({none} {NO_ANSWER})" if none else "")


class Promise(NamedTuple):
    """What an answer about a class of windows should be.

    Attributes:
        words: What is counted.
        of_class: Of the windows of this class.
        answer: The answer.
        wanted: True if there should be many.
        goal: What is asked.
    """

    words: str
    of_class: Class
    answer: str
    wanted: bool
    goal: str


PROMISES = (
    Promise("worse: called *degraded*", "worse", "worse", True, "≥ 90 %"),
    Promise("worse: called *healthy*", "worse", "fine", False, "0"),
    Promise("equivalent: called *healthy*", "equivalent", "fine", True, "≥ 80 %"),
    Promise("equivalent: called *degraded*", "equivalent", "worse", False, "≤ 1 %"),
    Promise("neither is shown: called *degraded*", "neither", "worse", False, "≤ 5 / 10 %"),
)
ESTIMATES = "driftline estimates"
ESTIMATES_WORDS = "equivalent: intervals of estimates that contain the value measured later"
NOW, FIRST = ("driftline windows", "driftline model"), ("driftline windows at first", "driftline model at first")
PEERS = {"nannyml realized": "NannyML, realized", "evidently decisive": "Evidently, four metrics"}


def promises_table(windows: pd.DataFrame) -> str:
    """Return what became of the promises on streams that were not known when the rules were written.

    Numbers of Driftline are two: by the state of the window, and by that of the model when it ended. A peer's is bold
    if it is better than the second.
    """
    columns, known = columns_of(windows), windows["stream"].isin(KNOWN)
    later = windows[~known]
    here, there = (len(streams) for streams in (windows["stream"][known].unique(), later["stream"].unique()))
    head = ["windows", "asked", f"{here} known streams", f"{there} later streams, at first", f"{there} later, now"]
    lines = []
    for promise in PROMISES:
        cells = [
            counted(promise, rows, [columns[key] for key in keys])
            for rows, keys in ((windows[known], NOW), (later, FIRST), (later, NOW))
        ]
        now = fraction(promise, later, columns[NOW[1]])
        for key in PEERS:
            found = fraction(promise, later, columns[key])
            better = found > now if promise.wanted else found < now
            cell = counted(promise, later, [columns[key]])
            cells.append(f"**{cell}**" if better else cell)
        lines.append([promise.words, promise.goal, *cells])
    held = [intervals_held(rows, columns[ESTIMATES]) for rows in (windows[known], later)]
    lines.append([ESTIMATES_WORDS, "≥ 93 %", held[0], "–", held[1], *["–"] * len(PEERS)])
    return markdown([*head, *PEERS.values()], lines)


def answers_to(promise: Promise, windows: pd.DataFrame, column: str) -> pd.Series:
    """Return the answers about the windows of the class of a promise that a tool was asked about."""
    return windows[column][windows["class"] == promise.of_class].dropna()


def fraction(promise: Promise, windows: pd.DataFrame, column: str) -> float:
    """Return the fraction of the windows that have the answer of a promise; NaN without windows."""
    return float((answers_to(promise, windows, column) == promise.answer).mean())


def counted(promise: Promise, windows: pd.DataFrame, columns: Sequence[str]) -> str:
    """Return the numbers of some columns of answers, as in ``45 / 43 of 50``."""
    answers = [answers_to(promise, windows, column) for column in columns]
    return f"{' / '.join(str((one == promise.answer).sum()) for one in answers)} of {len(answers[0])}"


def intervals_held(windows: pd.DataFrame, column: str) -> str:
    """Return how many intervals of the equivalent windows contain the measured value.

    >>> intervals_held(pd.DataFrame({"class": ["equivalent"] * 2 + ["worse"], "held": ["3/4", "0/0", "0/9"]}), "held")
    '3 of 4'
    """
    counts = [answer.split("/") for answer in windows[column][windows["class"] == "equivalent"].dropna()]
    return f"{sum(int(held) for held, _ in counts)} of {sum(int(all_of) for _, all_of in counts)}"
