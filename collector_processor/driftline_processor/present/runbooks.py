"""The runbooks that ship with Driftline, and which one is about what a verdict says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from driftline_processor.core.evaluation import Verdict

ADDRESS: Final = "/runbooks"
"""Where the pages have them."""

RUNBOOKS: Mapping[str, str] = {
    "pipeline-break": "What do I do when a pipeline breaks?",
    "unit-change": "What do I do when an input comes in another unit?",
    "concept-change": "What do I do when the world has changed?",
    "label-delay": "What do I do when outcomes come late, or wrong?",
    "attack": "What do I do when somebody probes or attacks the model?",
    "slow-or-failing-model": "What do I do when a model is slow, or its calls fail?",
}
"""Name of a runbook → its title."""

_BY_KIND: Mapping[str, str] = {
    "service": "slow-or-failing-model",
    "data_fault": "pipeline-break",
    "concept_change": "concept-change",
    "label_shift": "concept-change",
    "covariate_shift": "concept-change",
}
_UNIT = re.compile(r"\(unit change\?\)")
_OUTCOMES = re.compile(r"\bcoverage (?:is|of)\b|\boutcomes? (?:came|are|is|come) late\b|\boutcomes late\b|\bno outcome")
_SERVICE = re.compile(r"\b(?:latency|error.rate|availability|failed calls)", re.IGNORECASE)


def runbook_for(verdict: Verdict | None, found: str = "", state: str = "") -> str:
    """Return the name of the runbook about what was found; "" where none is.

    Args:
        verdict: Whether the model is healthy, and why not; None where nobody can say.
        found: What a policy found, in words.
        state: The state of the verdict for which a policy fired; "" of a policy of something else.

    >>> runbook_for(None, "coverage is 12 %, below 50 %"), runbook_for(None, state="no_data")
    ('label-delay', 'pipeline-break')
    """
    if state == "no_data" or (verdict is not None and verdict.state == "no_data"):
        return "pipeline-break"
    if not state and _OUTCOMES.search(found):
        return "label-delay"
    if not state and _SERVICE.search(found):
        return "slow-or-failing-model"
    if verdict is None:
        return ""
    if verdict.kind == "data_fault" and _UNIT.search(verdict.cause):
        return "unit-change"
    if verdict.kind:
        return _BY_KIND.get(verdict.kind, "")
    return "concept-change" if verdict.state in ("degraded", "at_risk") else ""
