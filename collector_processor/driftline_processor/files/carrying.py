"""What a later outcome of a file leaves out, it has from the one before it (:mod:`driftline.carried`)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from driftline.carried import carried
from driftline.tables import I64, told
from numpy.typing import NDArray

from .errors import Say, rows
from .outcomes import Outcomes, Places

Mask = NDArray[np.bool_]


class Stays(NamedTuple):
    """From which outcome each of n rows has its weight, its value and each of its slices: (n,), -1 = from none."""

    weight: Places
    value: Places
    slices: dict[str, Places]


def what_stays(outcomes: Outcomes, row: I64 | Places, outcome: Places, n: int) -> Stays:
    """Return it for n rows. ``row``, ``outcome``: pairs that belong together, outcomes oldest first."""

    def last(said: Mask) -> Places:
        found = np.full(n, -1, np.intp)
        found[row] = _said_by(outcomes, row, outcome, said)  # of equal rows numpy keeps the last
        return found

    weight, value = (
        np.full(n, -1, np.intp) if values is None else last(~np.isnan(values))
        for values in (outcomes.weight, outcomes.value)
    )
    return Stays(weight, value, {key: last(told(column)) for key, column in outcomes.slices.items()})


def weighted(outcomes: Outcomes, row: Places, outcome: Places, say: Say, sampled: bool) -> tuple[Places, Places]:
    """Return the pairs without those that have no weight, where outcomes are ``sampled``; these are named."""
    if not sampled:
        return row, outcome
    said = np.zeros(len(outcomes.code), np.bool_) if outcomes.weight is None else ~np.isnan(outcomes.weight)
    lacking = (_said_by(outcomes, row, outcome, said) < 0) & ~outcomes.retracted[outcome]
    left_out = np.setdiff1d(outcome[lacking], outcome[~lacking])
    if len(left_out):
        example = outcomes.ids[int(outcomes.code[left_out[0]])].as_py()
        count = rows(len(left_out), "outcome")
        say(
            f"{outcomes.path}: {count} without a weight, of a model whose outcomes are sampled, left out, "
            f"such as that of {example!r}"
        )
    return row[~lacking], outcome[~lacking]


def _said_by(outcomes: Outcomes, row: I64 | Places, outcome: Places, said: Mask) -> Places:
    """From which outcome each pair has it, -1 = from none. ``said``: bool, of all outcomes."""
    back = outcomes.retracted
    whole = back if outcomes.item is None else back & ~told(outcomes.item)  # of an item takes back that alone
    order = np.argsort(row, kind="stable")
    words = outcome[order]
    place = carried(np.asarray(row, np.int64)[order], whole[words], (said & ~back)[words])
    found = np.empty(len(row), np.intp)
    found[order] = np.where(place < 0, -1, words[place])
    return found
