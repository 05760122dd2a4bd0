"""The runbooks of Driftline, and the choice of a runbook for a verdict."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Cause, Finding, Verdict
from driftline_processor.core.fact import Fact
from driftline_processor.core.policy.firing import explains
from driftline_processor.core.service_level.level import METRICS as SERVICE_METRICS

ADDRESS: Final = "/runbooks"
"""Address of the runbook pages."""

RUNBOOKS: Mapping[str, str] = {
    "pipeline-break": "Broken pipeline",
    "unit-change": "Changed unit of an input",
    "concept-change": "Changed data or concept drift",
    "label-delay": "Late or wrong outcomes",
    "attack": "Probing or attack of the model",
    "output-fault": "Faulty output of the model",
    "slow-or-failing-model": "Slow or failing model",
}
"""Name of a runbook → its title."""

_BY_KIND: Mapping[str, str] = {
    "service": "slow-or-failing-model",
    "data_fault": "pipeline-break",
    "output_fault": "output-fault",
    "concept_change": "concept-change",
    "label_shift": "concept-change",
    "covariate_shift": "concept-change",
    "calibration": "concept-change",
}
_OUTCOMES = frozenset({"coverage", "outcomes_in_time"})
"""Policy conditions that fire if outcomes are missing."""


def runbook_for(verdict: Verdict | None, subjects: Collection[str] = (), state: str = "") -> str:
    """Return the name of the runbook for a finding; "" if there is none.

    Args:
        verdict: The verdict with its causes; None if there is none.
        subjects: Subjects of a policy's finding, see :attr:`~driftline_processor.core.policy.firing.Firing.subjects`.
        state: The verdict's state for which a policy fired; "" for a policy with another condition.

    >>> runbook_for(None, ["coverage"]), runbook_for(None, state="no_data")
    ('label-delay', 'pipeline-break')
    """
    if state == "no_data" or (verdict is not None and verdict.state == "no_data"):
        return "pipeline-break"
    if not state and not explains(verdict, subjects):
        if not _OUTCOMES.isdisjoint(subjects):
            return "label-delay"
        if not set(SERVICE_METRICS).isdisjoint(subjects):
            return "slow-or-failing-model"
    if verdict is None:
        return ""
    if verdict.kind == "data_fault" and _is_unit_change(verdict.cause):
        return "unit-change"
    if isinstance(verdict.cause, facts.OutcomesOfOneClass | facts.OutcomesUnknown):
        return "label-delay"
    if verdict.kind:
        return _BY_KIND.get(verdict.kind, "")
    return "concept-change" if verdict.state in ("degraded", "at_risk") else ""


def _is_unit_change(cause: Fact | None) -> bool:
    return isinstance(cause, Cause | Finding) and cause.check == "unit_change"
