"""Sentences about facts, by kind of fact. Every sentence passes through :mod:`.register`.

A verdict (:mod:`.verdict`) consists of :mod:`.evidence`, :mod:`.causes`, :mod:`.certainty` and :mod:`.advice`.
:mod:`.causes` has kinds of changes, too, :mod:`.findings` faults of the data, :mod:`.drift` columns, slices and
joint drift, :mod:`.objectives`, :mod:`.expectations` and :mod:`.outcomes` their results, :mod:`.policies`
conditions and findings of policies, :mod:`.references` the reference of a window,
:mod:`.retraining` the value of retraining, and :mod:`.window` a whole window.
"""

from . import (
    advice,
    causes,
    certainty,
    drift,
    evidence,
    expectations,
    findings,
    objectives,
    outcomes,
    policies,
    references,
    retraining,
)
from .register import clause, forms, kinds

__all__ = [
    "advice",
    "causes",
    "certainty",
    "clause",
    "drift",
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
