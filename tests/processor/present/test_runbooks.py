"""The runbook of a message is that of its cause."""

from __future__ import annotations

from typing import Literal

import pytest
from driftline_processor.core import facts
from driftline_processor.core.evaluation import ChangeKind, Finding, Verdict, VerdictState
from driftline_processor.core.outcomes.unknown import UnknownOutcomes
from driftline_processor.present.runbooks import RUNBOOKS, runbook_for


def verdict(state: VerdictState, kind: ChangeKind | Literal[""] = "", check: str = "") -> Verdict:
    return Verdict(state, kind=kind, cause=Finding(check, (), "critical", 0.0, 1.0, 0.0) if check else None)


@pytest.mark.parametrize(
    ("told", "subjects", "state", "runbook"),
    [
        (verdict("no_data"), (), "no_data", "pipeline-break"),
        (verdict("at_risk", "data_fault", "missing"), (), "at_risk", "pipeline-break"),
        (verdict("degraded", "data_fault", "unit_change"), (), "degraded", "unit-change"),
        (verdict("degraded", "concept_change"), (), "degraded", "concept-change"),
        (verdict("at_risk", "covariate_shift"), (), "at_risk", "concept-change"),
        (verdict("degraded", "service"), (), "degraded", "slow-or-failing-model"),
        (verdict("degraded", "output_fault"), (), "degraded", "output-fault"),
        (verdict("degraded", "label_shift"), ("accuracy",), "", "concept-change"),
        (verdict("degraded", "data_fault", "missing"), ("latency_p99",), "", "slow-or-failing-model"),
        (verdict("degraded"), (), "degraded", "concept-change"),
        (Verdict("unknown", cause=facts.OutcomesUnknown(UnknownOutcomes("id", 1, 1))), (), "unknown", "label-delay"),
        (verdict("healthy"), ("latency_p99",), "", "slow-or-failing-model"),
        (verdict("unknown"), ("coverage",), "", "label-delay"),
        (verdict("healthy"), ("predictions",), "", ""),
        (None, ("psi of age", "column:age"), "", ""),
    ],
)
def test_each_cause_has_its_runbook(told: Verdict | None, subjects: tuple[str, ...], state: str, runbook: str) -> None:
    assert runbook_for(told, subjects, state) == runbook
    assert runbook in {"", *RUNBOOKS}
