"""The runbook of a message is that of its cause."""

from __future__ import annotations

import pytest
from driftline_processor.core.evaluation import Verdict
from driftline_processor.present.runbooks import RUNBOOKS, runbook_for


def verdict(state: str, kind: str = "", cause: str = "") -> Verdict:
    return Verdict(state, None, "", None, None, None, cause, kind, "", "", "")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "found", "state", "runbook"),
    [
        (verdict("no_data"), "", "no_data", "pipeline-break"),
        (verdict("at_risk", "data_fault", "90 % of values are missing in age"), "", "at_risk", "pipeline-break"),
        (
            verdict("degraded", "data_fault", "100 times what they were in age (unit change?)"),
            "",
            "degraded",
            "unit-change",
        ),
        (verdict("degraded", "concept_change"), "", "degraded", "concept-change"),
        (verdict("at_risk", "covariate_shift", "age moved"), "", "at_risk", "concept-change"),
        (verdict("degraded", "service"), "", "degraded", "slow-or-failing-model"),
        (verdict("degraded"), "", "degraded", "concept-change"),
        (verdict("healthy"), "latency_p99 is 300 ms, above 200 ms", "", "slow-or-failing-model"),
        (verdict("unknown"), "coverage is 3 %, below 50 %", "", "label-delay"),
        (verdict("healthy"), "predictions is 3, below 50", "", ""),
        (None, "psi of age is 0.3, above 0.2", "", ""),
    ],
)
def test_each_cause_has_its_runbook(told: Verdict | None, found: str, state: str, runbook: str) -> None:
    assert runbook_for(told, found, state) == runbook
    assert runbook in {"", *RUNBOOKS}
