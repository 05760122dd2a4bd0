"""Which features of a baseline are already as a privacy rule lets them leave."""

from __future__ import annotations

from dataclasses import dataclass

from .kinds import Kinds

HASHED, ROUNDED = "hash", "round"


@dataclass(frozen=True, slots=True)
class Ruled(Kinds):
    """Feature → "hash" or "round": its bins are those of hashes, or lie between multiples of a step.

    What was hashed is not hashed again, and rows are compared with it only as the same rule lets them leave.
    """

    KINDS = (HASHED, ROUNDED)
