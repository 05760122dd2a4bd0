"""Sentences about facts, made here alone: by kind of fact, each through the one voice of :mod:`.catalogue`.

A verdict (:mod:`.verdict`) takes its words from :mod:`.evidence`, :mod:`.causes`,
:mod:`.certainty` and :mod:`.advice`. :mod:`.findings` has the faults of the data,
:mod:`.changes` the kinds of changes, :mod:`.drift` columns, slices and all features together, :mod:`.objectives`,
:mod:`.expectations` and :mod:`.outcomes` what came of them, :mod:`.policies` what policies find,
:mod:`.conditions` what they claim, :mod:`.references` what a window is compared with, :mod:`.retraining`
whether it pays, and :mod:`.window` a whole window.
"""

from . import (
    advice,
    causes,
    certainty,
    changes,
    evidence,
    expectations,
    findings,
    objectives,
    outcomes,
    policies,
    references,
    retraining,
)
from .catalogue import clause, forms, kinds

__all__ = [
    "advice",
    "causes",
    "certainty",
    "changes",
    "clause",
    "evidence",
    "expectations",
    "findings",
    "forms",
    "kinds",
    "objectives",
    "outcomes",
    "policies",
    "references",
    "retraining",
]
