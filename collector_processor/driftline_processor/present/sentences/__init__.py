"""Sentences about facts, made here alone: by kind of fact, each through the one voice of :mod:`.catalogue`.

A verdict (:mod:`.verdict`) takes its words from :mod:`.evidence`, :mod:`.causes`,
:mod:`.certainty` and :mod:`.advice`. :mod:`.findings` has the faults of the data, :mod:`.service` the calls that fail,
:mod:`.changes` the kinds of changes, :mod:`.policies` what policies find, and :mod:`.window` a whole window.
"""

from . import advice, causes, certainty, changes, evidence, findings, policies, service
from .catalogue import clause, forms, kinds

__all__ = [
    "advice",
    "causes",
    "certainty",
    "changes",
    "clause",
    "evidence",
    "findings",
    "forms",
    "kinds",
    "policies",
    "service",
]
