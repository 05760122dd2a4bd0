"""Models of rare defaults whose applicants become riskier or safer, with and without a change of what happens to them.

Riskier applicants raise the log loss of a perfect model, and safer ones lower that of a model that is off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from simulations.frame import Row, Table, table_of
from simulations.outcome_order import HEAD, Change, measure, soon, told

RATE, MODELS, BEGIN, SETTLED = -3.3, 4, 20, 35


@dataclass(frozen=True)
class Mixed(Row):
    """A row of the table; ``what``: what changes after :data:`BEGIN` days."""

    what: str


def _rows() -> Iterator[Mixed]:
    changes = {
        "riskier": (Change(BEGIN, moved=0.7), "riskier applicants, and scores that fit them"),
        "safer": (Change(BEGIN, moved=-0.9), "safer applicants, and scores that fit them"),
        "off": (
            Change(BEGIN, off=0.6),
            "the same applicants, and log odds of a default that are 0.6 above those of the scores",
        ),
        "riskier-off": (
            Change(BEGIN, moved=0.7, off=0.6),
            "riskier applicants, and log odds of a default that are 0.6 above those of the scores",
        ),
        "safer-off": (
            Change(BEGIN, moved=-0.9, off=0.6),
            "safer applicants, and log odds of a default that are 0.6 above those of the scores",
        ),
    }
    for name, (change, what) in changes.items():
        measured = partial(measure, soon, "3d", RATE, change=change, since=SETTLED)
        yield Mixed(f"mix-{name}", measured, MODELS, what)


MIXES = {row.name: row for row in _rows()}
CASE_MIX = Table("case_mix", MIXES, table_of(MIXES, HEAD, told))
