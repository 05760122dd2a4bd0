"""Which columns of some rows are read: those that are wanted, each name once, and only so many features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .unusable import DUPLICATE_NAME, TOO_MANY_FEATURES, UNUSABLE

if TYPE_CHECKING:
    from .plan import Plan

MOST_FEATURES = 1000
"""Features of a model that are recorded, the first ones; the processor keeps 1,024 columns of a request."""


class Choice:
    """Asked for each column of one snapshot, in order. Of two columns of one name the first is read."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._taken: set[str] = set()
        self._room = MOST_FEATURES

    def __call__(self, name: str) -> bool:
        """Say whether the column of that name is read."""
        plan, inputs = self._plan, self._plan.inputs
        feature = plan.wanted(str(name))
        if not feature and name not in (inputs.id_field, inputs.time_field) and name not in inputs.slice_fields:
            return False
        if str(name) in self._taken:
            UNUSABLE.add(DUPLICATE_NAME)
            return False
        if feature:
            if self._room == 0:
                UNUSABLE.add(TOO_MANY_FEATURES)
                return False
            self._room -= 1
        self._taken.add(str(name))
        return True
