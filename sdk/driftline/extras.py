"""What else a baseline knows, each piece optional, each with a key of its own under ``extras`` in the JSON.

A new piece is a frozen dataclass in a file of its own that does what :class:`Piece` says, a field of :class:`Extras`,
and a line in :data:`PIECES`. A baseline without any extras keeps its older schema, and with it its digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from .blocks import Blocks
from .checked import by_name
from .class_scores import ClassScores
from .embeddings import Embeddings
from .estimation import Estimation
from .fitted import Fitted
from .fold import ModelBins
from .importance import Importance
from .leaving import Leaving
from .marks import Marks
from .period import Period
from .ranges import Ranges
from .repeats import Repeats
from .ruled import Ruled
from .score_by import ScoreBy
from .seasons import Seasons
from .slice_outcomes import SliceOutcomes
from .slices import Slices


class Piece(Protocol):
    """One thing that a baseline may know beside its bins and its pane. Sums and names, never a row."""

    def to_json(self) -> Any:
        """Return plain JSON values, equal for equal pieces: the digest of the baseline is that of its text."""

    @classmethod
    def from_json(cls, value: object, bins: ModelBins, /) -> Self:
        """Read it back and check it; ``bins``: those of the baseline. Raises ``ValueError`` that names the rule."""

    def leaving(self, features: Leaving, /) -> Self | None:
        """Return what may leave under privacy rules, None for nothing."""


@dataclass(frozen=True, slots=True)
class Extras:
    """The pieces a baseline has; None where it lacks one.

    ``importance``: of each feature to the model. ``ranges``: the least and the greatest value of each number.
    ``period``: when the rows were predicted. ``blocks``: what they looked like in each stretch of that time.
    ``repeats``: how many of the rows are different. ``class_scores``: of a multiclass model, class by class.
    ``score_by``: the mean score where each feature has which values.
    ``fitted``: how well the space of the features fits its own rows.
    ``marks``: which features are none, and compared with nothing. ``embeddings``: how each of them is projected.
    ``ruled``: which are hashed or rounded already. ``seasons``: what the rows looked like hour by hour, or day by day.
    ``slices``: the rows of each value of cuts such as a country. ``estimation``: what estimates of performance need.
    ``slice_outcomes``: how right the model was in each of these slices.
    ``unread``: pieces that a newer driftline wrote, as their JSON: kept, so that the digest stays the same.
    """

    importance: Importance | None = None
    ranges: Ranges | None = None
    period: Period | None = None
    blocks: Blocks | None = None
    repeats: Repeats | None = None
    fitted: Fitted | None = None
    class_scores: ClassScores | None = None
    score_by: ScoreBy | None = None
    marks: Marks | None = None
    embeddings: Embeddings | None = None
    ruled: Ruled | None = None
    seasons: Seasons | None = None
    slices: Slices | None = None
    estimation: Estimation | None = None
    slice_outcomes: SliceOutcomes | None = None
    unread: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.unread) or any(getattr(self, name) is not None for name in PIECES)

    def to_json(self) -> dict[str, Any]:
        """Return the pieces by key; those that are not there have none.

        >>> Extras(importance=Importance({"age": 0.5})).to_json()
        {'importance': {'age': 0.5}}
        """
        pieces = {name: getattr(self, name) for name in PIECES}
        return {**self.unread, **{name: piece.to_json() for name, piece in pieces.items() if piece is not None}}

    @classmethod
    def from_json(cls, value: object, bins: ModelBins) -> Extras:
        """Read the pieces. Raises ``ValueError`` that names key and rule."""
        pieces: dict[str, Any] = {}
        unread = {}
        for name, one in by_name(value).items():
            if name not in PIECES:
                unread[name] = one
                continue
            try:
                pieces[name] = PIECES[name].from_json(one, bins)
            except (ValueError, OverflowError) as error:
                raise ValueError(f"{name}: {error}") from None
        return cls(**pieces, unread=unread)

    def leaving(self, features: Leaving) -> Extras:
        """Return what may leave under privacy rules, see :meth:`Piece.leaving`; what nobody can read stays here."""
        pieces = {name: piece for name in PIECES if (piece := getattr(self, name)) is not None}
        return Extras(**{name: piece.leaving(features) for name, piece in pieces.items()})


PIECES: dict[str, type[Piece]] = {
    "importance": Importance,
    "ranges": Ranges,
    "period": Period,
    "blocks": Blocks,
    "repeats": Repeats,
    "fitted": Fitted,
    "class_scores": ClassScores,
    "score_by": ScoreBy,
    "marks": Marks,
    "embeddings": Embeddings,
    "ruled": Ruled,
    "seasons": Seasons,
    "slices": Slices,
    "estimation": Estimation,
    "slice_outcomes": SliceOutcomes,
}
"""JSON key and field of :class:`Extras` → what reads and writes it."""

FOLDED_OVER = ("embeddings",)
"""Those that say how rows are folded: panes add up only where they are equal, too."""
