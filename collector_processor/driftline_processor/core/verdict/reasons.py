"""Why a window is as it is: the first cause, in words and as a kind of change."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from driftline_processor.core.evaluation import Cause, ChangeKind, Evaluation
from driftline_processor.core.wording import format_percent, short

from .signs import Sign, has_small_drift, is_fault
from .words import NAME, Clause, fault_words, slice_words

STEADY = "its inputs look as before, so only the outcomes show it"
"""The reason of a loss without drift."""

OF_OUTCOMES = ("constant", "level", "worse", "errors")
"""Signs that outcomes alone show: beside inputs that look as before, the outcomes follow from them in another way."""

_BRACKETS = re.compile(r" \([^()]*(?:\([^()]*\)[^()]*)*\)")


class FirstCause(NamedTuple):
    """The first cause of what a window shows.

    Attributes:
        words: The cause as a clause; "" where none is known.
        kind: What kind of change it is; "" where none is known.
        features: The features it is about; () for a slice.
        others: Features that moved beside these.
    """

    words: str
    kind: ChangeKind | Literal[""]
    features: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def forms(self, before: str = "", after: str = "") -> tuple[str, ...]:
        """Return the clause in full, then without the other features, without brackets, and without both.

        Args:
            before: Words that go before each form.
            after: Words that end each form.
        """
        if not self.words:
            return ()
        plain = _BRACKETS.sub("", self.words)
        forms = (self.words + self._more, self.words, plain + self._more, plain)
        return tuple(f"{before}{form}{after}" for form in dict.fromkeys(forms))

    @property
    def _more(self) -> str:
        if not self.others:
            return ""
        others = short(self.others[0], NAME) if len(self.others) == 1 else f"{len(self.others)} more inputs"
        return f", as did {others}" if " moved" in _BRACKETS.sub("", self.words) else f" and {others} moved"


def first_cause(evaluation: Evaluation, signs: list[Sign]) -> FirstCause:
    """Return the first cause: a fault of the data, else the drift that counts most, else the weakest slice.

    Causes of drift come in the order of :mod:`~driftline_processor.core.explain`: by importance where it is known.

    Args:
        evaluation: The window.
        signs: What it shows, the first of which the verdict is about.
    """
    kind = kind_of_change(evaluation, signs)
    if signs and signs[0].reason == "service":
        return FirstCause("", kind)
    faults = [found for found in evaluation.findings if is_fault(found)]
    if faults:
        return FirstCause(fault_words(faults[0]), kind, faults[0].features)
    if evaluation.explanation is not None and evaluation.explanation.causes:
        cause, *more = evaluation.explanation.causes
        names = dict.fromkeys(name for one in more for name in one.features if name not in cause.features)
        return FirstCause(cause_words(cause, evaluation), kind, cause.features, tuple(names))
    if evaluation.weak is not None and evaluation.weak.slices:
        return FirstCause(f"it is worst where {short(evaluation.weak.slices[0].name, NAME)}", kind)
    return FirstCause("", kind)


def kind_of_change(evaluation: Evaluation, signs: list[Sign]) -> ChangeKind | Literal[""]:
    """Return the kind of change that a window shows; "" where none is known."""
    if signs and signs[0].reason == "service":
        return "service"
    if evaluation.change_kind is not None:
        return evaluation.change_kind.kind
    if signs and signs[0].reason in OF_OUTCOMES and looks_as_before(evaluation):
        return "concept_change"
    faulty = any(sign.reason == "data" for sign in signs)
    return "data_fault" if faulty or any(is_fault(found) for found in evaluation.findings) else ""


def cause_words(cause: Cause, evaluation: Evaluation) -> str:
    """Say a cause of drift: what moved, from where to where.

    >>> from driftline.tables.table import ModelKey
    >>> from driftline_processor.core.evaluation import Change
    >>> from driftline_processor.core.windows.window import Window
    >>> window = Evaluation(ModelKey("late"), Window("1d", 0, 86_400 * 10**9), 900, True)
    >>> cause_words(Cause(("temp",), "", 0.9, (Change("values below 54", 0.99, 0.0),)), window)
    'temp moved (values below 54 went from 99 % to 0 %)'
    """
    where = f" where {slice_words(cause.slice)}" if cause.slice else ""
    if cause.check:
        found = (one for one in evaluation.findings if (one.check, one.features) == (cause.check, cause.features))
        told = next(found, None)
        if told is not None:
            return f"{fault_words(told)}{where}"
    names = " and ".join(short(name, NAME) for name in cause.features)
    if not cause.changes:
        return f"{names} moved{where}"
    first = cause.changes[0]
    place = short(first.where, NAME) or "no text"
    return f"{names} moved{where} ({place} went from {format_percent(first.was)} to {format_percent(first.now)})"


def looks_as_before(evaluation: Evaluation) -> bool:
    """Return True where every input could be compared, none moved, and no check of the data found anything."""
    if evaluation.explanation is not None and any(one.check for one in evaluation.explanation.causes):
        return False
    columns = [*evaluation.features.values(), *(one for one in (evaluation.score,) if one is not None)]
    return bool(evaluation.features) and all(one.state == "ok" for one in columns)


def harmless_drift(evaluation: Evaluation) -> Clause:
    """Say of a healthy model what moved without harm; "" where nothing did."""
    if evaluation.explanation is not None and evaluation.explanation.causes:
        return first_cause(evaluation, []).forms(after=", and that did no harm")
    if any(one.state == "drift" for one in evaluation.features.values()) or has_small_drift(evaluation):
        return "its inputs moved, and that did no harm"
    if evaluation.score is not None and evaluation.score.state == "drift":
        return f"its {evaluation.score.words} moved, and that did no harm"
    return ""
