"""One web request in which predictions are made: the id that it came with, and the one that it is answered with.

An integration makes one where a request enters the application, and makes it current. It stands where an outer
prediction would, and is none: it is closed, so that :func:`driftline.current` and nesting look past it.
"""

from __future__ import annotations

import re
from contextvars import Token
from typing import TYPE_CHECKING

from .faults import FAULTS
from .prediction import OPEN, Prediction, opened

if TYPE_CHECKING:
    from .opening import Opening

HEADER = "X-Prediction-Id"
LONGEST_ID = 128
_ID = re.compile(rf"[A-Za-z0-9._:@+/=~-]{{1,{LONGEST_ID}}}", re.ASCII)


def header_id(text: str) -> str:
    """Return an id that may stand in a header, "" for any other text: too long, or with other characters.

    >>> header_id("A-1001"), header_id("A 1001"), header_id("A\\r\\nSet-Cookie: a=b"), header_id("9" * 129)
    ('A-1001', '', '', '')
    """
    return text if _ID.fullmatch(text) else ""


class Exchange(Prediction):
    """What a request and the predictions made for it tell each other.

    ``given``: the id that the request came with, "" for none; what :func:`header_id` refuses is none. The first
    prediction of each model takes it, unless the code or the input says another. The first prediction's id is the
    answer's. ``fresh``: no prediction was made in it, and none was open around it. ``named``: the
    answer's id where its prediction was never made; ``opening``: that prediction, as long as it is open
    (:mod:`driftline.opening`).
    """

    __slots__ = ("_first", "_models", "fresh", "given", "named", "opening")

    closed = True

    def __init__(self, given: str = "") -> None:
        self.exchange = self
        self.outer = opened() if OPEN.get() else None  # the route of an application that this one is mounted in
        self.named = ""
        self.opening: Opening | None = None
        self.given = ""
        if given:
            self.given = header_id(given)
            self._models: set[str] = set()
        self._first: Prediction | None = None
        self.fresh = self.outer is None

    def enter(self) -> Token[Prediction | None]:
        """Make it current; give what this returns to :meth:`leave`, in the same context."""
        return OPEN.set(self)

    def leave(self, token: Token[Prediction | None]) -> None:
        """Make current what was before."""
        try:
            OPEN.reset(token)
        except Exception as fault:
            FAULTS.swallow("exchange", fault)
        self.exchange = self.outer = None  # it pointed at itself, and would wait for the garbage collector

    def admit(self, prediction: Prediction) -> None:
        """Let a prediction that opens know the id that is offered to it."""
        prediction.exchange = self
        self.fresh = False
        if self._first is None:
            self._first = prediction
        if self.given:
            name = prediction.plan.identity.name
            if name not in self._models:
                self._models.add(name)
                prediction.offered = self.given

    def forget(self, prediction: Prediction) -> None:
        """Let go of a prediction that turned out to be none."""
        if self._first is prediction:
            self._first = None

    def answer(self) -> str:
        """Return the id to answer with: "" where nothing was predicted, or where each row of a batch has its own."""
        first = self._first
        if first is None:
            return self.named
        if first.ids is not None:
            return ""
        batch, id_field = first.batch, first.plan.inputs.id_field
        if batch is not None and id_field and id_field in (batch.names() or ()):
            return ""
        return header_id(first.id) if first.identified else first.id  # what is made here is fit for a header
