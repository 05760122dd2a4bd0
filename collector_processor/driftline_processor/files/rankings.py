"""Rankings in files: rows with their lists, and what is known of them, beside the rows or in a file of outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from driftline.clicked import relevance_in, worth_of
from driftline.frames import taken
from driftline.items import items_of
from driftline.relevance import Relevance, clicks_of
from driftline.tables import F64, I64, Column, Items

from .carrying import weighted, what_stays
from .errors import Say, rows
from .joined import codes_of, name_strange, paired
from .lists import Places, read_items, said_in
from .outcomes import Outcomes, entries, entries_of
from .roles import Roles
from .rows import Rows
from .source import readable
from .values import one_array, positions, valid_of


def with_lists(read: Rows, roles: Roles, say: Say) -> Rows:
    """Return rows with what they ranked, and with what they say was relevant in it.

    That is the relevant items, as a list, a map from item to relevance or the JSON of either, or a number for the list.
    """
    source = read.source
    read = replace(read, items=read_items(source, roles.items) if roles.items else None)
    if not roles.actual:
        return read
    with readable(source.path):
        array = one_array(source.column(roles.actual))
        relevance = relevance_in(_lists(read), said_in(array, np.arange(len(read))))
        strange = int(np.count_nonzero(valid_of(array) & np.isnan(relevance.clicked)))
    if strange:
        say(f"{source.path}: {rows(strange)} with an actual that says nothing of a list, taken as not known")
    return _with(read, relevance)


def join_rankings(
    outcomes: Outcomes, reads: Sequence[Rows], name: str, say: Say, sampled: bool = False
) -> tuple[list[Rows], list[F64 | None]]:
    """Give every row what outcomes say of its list, and return the weights in parallel, as :func:`.joined.join` does.

    All that belongs to a row counts, not the last alone (:mod:`driftline.clicked`); its time is that
    of its last outcome that takes nothing back, weight and slices what was said of them last.
    """
    row, outcome = paired(outcomes, [codes_of(outcomes, read, name) for read in reads], [read.time for read in reads])
    name_strange(outcomes, outcome, name, say)
    row, outcome = weighted(outcomes, row, outcome, say, sampled)
    joined: list[Rows] = []
    weights: list[F64 | None] = []
    start = 0
    for read in reads:
        mine = np.flatnonzero((row >= start) & (row < start + len(read)))
        relevance, last, value = _heard(outcomes, outcome[mine], row[mine] - start, read)
        stays = what_stays(outcomes, row[mine] - start, outcome[mine], len(read))
        known = {key: entries_of(outcomes.slices[key], of) for key, of in stays.slices.items()}
        read = replace(read, outcome_time=entries(outcomes.time, last, 0), value=value, told=known)
        joined.append(_with(read, relevance))
        weights.append(entries(outcomes.weight, stays.weight, np.nan))
        start += len(read)
    return joined, weights


def with_silence(read: Rows) -> Rows:
    """Return rows in which a list of which nobody said anything is one of which nothing was relevant.

    No more outcomes will come to a file, so every list has had the time that they may take.
    """
    relevance = said_of_nothing(len(read)) if read.relevance is None else read.relevance
    silent = np.isnan(relevance.clicked)
    clicked, ranked = np.where(silent, 0.0, relevance.clicked), relevance.ranked | silent
    return _with(read, replace(relevance, clicked=clicked, ranked=ranked))


def said_of_nothing(n: int) -> Relevance:
    """Return what is known of n lists where nobody says anything."""
    return clicks_of(np.full(n, np.nan))


def _heard(outcomes: Outcomes, outcome: Places, row: I64, read: Rows) -> tuple[Relevance, Places, F64 | None]:
    """What was relevant in the lists of a file, the last outcome of each that takes nothing back, and its worth."""
    assert outcomes.said is not None
    retracted = outcomes.retracted[outcome]
    item = None if outcomes.item is None else taken(outcomes.item, outcome)
    said = said_in(outcomes.said.take(positions(outcome)), row, item, retracted)
    last = np.full(len(read), -1, np.intp)
    last[row[~retracted]] = outcome[~retracted]  # of equal rows numpy keeps the last
    relevance = relevance_in(_lists(read), said)
    last = np.where(np.isnan(relevance.clicked), -1, last)
    if outcomes.value is None:
        return relevance, last, None
    about = np.full(len(row), -1, np.int32) if item is None or item.codes is None else item.codes
    return relevance, last, worth_of(row, about, outcomes.value[outcome], retracted, len(read))


def _with(read: Rows, relevance: Relevance) -> Rows:
    """Return rows with what was relevant in their lists; their actual is whether anything was clicked."""
    return replace(read, relevance=relevance, actual=Column(numbers=relevance.clicked))


def _lists(read: Rows) -> Items:
    return items_of([None] * len(read)) if read.items is None else read.items
