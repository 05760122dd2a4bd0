"""The JSON that scripts rely on, key by key."""

from __future__ import annotations

import json

from driftline.tables.table import ModelKey
from driftline_processor.core import facts
from driftline_processor.core.evaluation import (
    ColumnDrift,
    DriftContributor,
    Evaluation,
    Expected,
    Finding,
    JointDrift,
    MethodValue,
    MetricValue,
    SliceDrift,
    Verdict,
)
from driftline_processor.core.windows.window import Window
from driftline_processor.present.evaluation_json import evaluations_to_json, to_json
from driftline_processor.present.sentences.drift import column_sentence, joint_sentence
from driftline_processor.present.sentences.verdict import verdict_action, verdict_certainty, verdict_sentence
from driftline_processor.present.wording import iso_time

WINDOW = Window("1d", 1_772_323_200_000_000_000, 1_772_409_600_000_000_000)
METHODS = {"ks": MethodValue(0.31, 1e-9), "psi": MethodValue(0.4), "js": MethodValue(None)}
AGE = ColumnDrift(
    "feature",
    "age",
    "drift",
    "ks",
    950,
    METHODS,
    0.27,
    "large",
    missing_was=0.02,
    missing_now=0.05,
    design_effect=20.0,
    blocks=(0.1, 0.3),
)
TOLD = DriftContributor(("age",), 0.2, 0.1, 0.3)
SCORE = ColumnDrift("score", "", "ok", "ks", 1_000, {"ks": MethodValue(0.01, 0.9)})


def test_what_a_window_is_compared_with_is_named() -> None:
    notes = (facts.SameSeason(season="hour", thin=0, repeats=None),)
    evaluation = Evaluation(ModelKey("churn", "7"), WINDOW, 10, True, baseline_version="6", compared=notes)
    assert to_json(evaluation)["baseline"] == {
        "version": "6",
        "is_own": False,
        "compared": "the same hours",
        "left_out": [],
    }
    own = facts.OwnLastRows(last="30d", without="", rows=9_000, left_out=(0, 86_400 * 10**9), timezone="UTC")
    evaluation = Evaluation(ModelKey("churn", "7"), WINDOW, 10, True, baseline_version="6", compared=(own,))
    assert to_json(evaluation)["baseline"]["left_out"] == [["1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z"]]
    evaluation.compared = ()
    assert to_json(evaluation)["baseline"]["compared"] is None


def test_an_evaluation_is_the_promised_json() -> None:
    evaluation = Evaluation(
        ModelKey("churn", "7"),
        WINDOW,
        rows=1_000,
        closed=True,
        features={"age": AGE},
        score=SCORE,
        joint={"pca": JointDrift("pca", "drift", 1_000, 1.5, 1e-9, 1.4, 2.0, 2.6, (TOLD,))},
        fraction=1.0,
        weighted_fraction=0.5,
        slices={"country=NL": SliceDrift(90, "drift", "", 2, 0.5, {}, None, None)},
        incident={"feature:age": WINDOW.start - 86_400 * 10**9},
        realized={"accuracy": MetricValue(0.8, 600, "rows"), "roc_auc": MetricValue(None, 600, "panes", 0.001)},
        outcome_rows=600,
        coverage=0.6,
        findings=(Finding("missing", ("age",), "major", 0.02, 0.1, 1e-9),),
        expected=(Expected("", "rows: >= 2000", "broken", 1_000.0, 1_000.0, 1_000, facts.RowsInWindow(rows=1_000)),),
    )
    assert evaluations_to_json("churn", "7", [evaluation]) == {
        "model": "churn",
        "version": "7",
        "verdict": None,
        "concept": None,
        "windows": [
            {
                "start": "2026-03-01T00:00:00Z",
                "end": "2026-03-02T00:00:00Z",
                "rows": 1000,
                "distributed": 0,
                "closed": True,
                "verdict": None,
                "baseline": None,
                "drift": {
                    "features": {
                        "age": {
                            "state": "drift",
                            "reason": None,
                            "decided_by": "ks",
                            "rows": 950,
                            "methods": {
                                "ks": {"value": 0.31, "p_value": 1e-9},
                                "psi": {"value": 0.4, "p_value": None},
                                "js": {"value": None, "p_value": None},
                            },
                            "effect": 0.27,
                            "size": "large",
                            "missing": {"was": 0.02, "now": 0.05},
                            "design_effect": 20.0,
                            "blocks": [0.1, 0.3],
                            "detectable_change": None,
                            "pooled": None,
                            "alike": None,
                            "p_normal_variation": None,
                            "sentence": column_sentence(AGE),
                        }
                    },
                    "score": {
                        "state": "ok",
                        "reason": None,
                        "decided_by": "ks",
                        "rows": 1000,
                        "methods": {"ks": {"value": 0.01, "p_value": 0.9}},
                        "effect": None,
                        "size": None,
                        "missing": {"was": None, "now": None},
                        "design_effect": 1.0,
                        "blocks": None,
                        "detectable_change": None,
                        "pooled": None,
                        "alike": None,
                        "p_normal_variation": None,
                        "sentence": column_sentence(SCORE),
                    },
                    "class": None,
                    "multivariate": {
                        "pca": {
                            "state": "drift",
                            "reason": None,
                            "rows": 1000,
                            "value": 1.5,
                            "p_value": 1e-9,
                            "was": 2.0,
                            "now": 2.6,
                            "contributors": [
                                {"features": ["age"], "value": 0.2, "was": 0.1, "now": 0.3, "p_value": None}
                            ],
                            "sentence": joint_sentence(evaluation.joint["pca"]),
                        }
                    },
                    "fraction": 1.0,
                    "weighted_fraction": 0.5,
                    "drifted_slices": 1,
                    "slices": {
                        "country=NL": {
                            "rows": 90,
                            "state": "drift",
                            "reason": None,
                            "compared": None,
                            "evaluated": 2,
                            "fraction": 0.5,
                            "features": {},
                            "score": None,
                            "class": None,
                        }
                    },
                    "incident": {"feature:age": "2026-02-28T00:00:00Z"},
                    "lasting": {},
                },
                "explanation": None,
                "change": None,
                "service": None,
                "service_slices": {},
                "performance": {
                    "maturity": "mature",
                    "immature": None,
                    "positive_class": None,
                    "unreviewed": {},
                    "realized": {
                        "accuracy": {
                            "value": 0.8,
                            "low": None,
                            "high": None,
                            "interval": None,
                            "rows": 600,
                            "effective_rows": None,
                            "source": "rows",
                        },
                        "roc_auc": {
                            "value": None,
                            "low": None,
                            "high": None,
                            "interval": None,
                            "rows": 600,
                            "effective_rows": None,
                            "source": "panes",
                        },
                    },
                    "estimated": {},
                    "changes": {},
                    "estimated_changes": {},
                    "level": None,
                    "constant_comparison": None,
                    "importance_weighted": {},
                    "label_shift": None,
                    "slices": {},
                    "label_age": {},
                    "fast_labels": None,
                    "weak_slices": None,
                    "slice_change": None,
                    "fairness": [],
                    "broken": 0,
                    "inconclusive_windows": 0,
                    "overdue": 0,
                    "objectives": [],
                },
                "outcomes": {"rows": 600, "coverage": 0.6, "delay": None, "sla": None},
                "quality": {
                    "count": 1,
                    "critical": 0,
                    "findings": [
                        {
                            "check": "missing",
                            "features": ["age"],
                            "severity": "major",
                            "was": 0.02,
                            "now": 0.1,
                            "p_value": 1e-9,
                            "sentence": "age: 10 % of values are missing (was 2 %)",
                        }
                    ],
                    "broken": 1,
                    "expectations": [
                        {
                            "feature": None,
                            "rule": "rows: >= 2000",
                            "state": "broken",
                            "low": 1000.0,
                            "high": 1000.0,
                            "rows": 1000,
                            "sentence": "1,000 rows",
                        }
                    ],
                },
            }
        ],
    }


def test_a_verdict_says_since_when_how_much_and_what_to_do() -> None:
    verdict = Verdict(
        "degraded",
        WINDOW.start,
        "log_loss",
        0.2,
        0.1,
        0.3,
        reasons=(facts.ColumnMoved(name="age"),),
        certainty=(facts.FaultCertain(),),
        advice=facts.Retrain(facts.Since(None, "UTC", of_days=True)),
        window_start=WINDOW.start,
        window_end=WINDOW.end,
    )
    evaluation = Evaluation(ModelKey("churn"), WINDOW, 10, True, verdict=verdict)
    told = evaluations_to_json("churn", "", [evaluation], verdict=verdict)
    assert (
        told["verdict"]
        == told["windows"][0]["verdict"]
        == {
            "state": "degraded",
            "since": "2026-03-01T00:00:00Z",
            "since_earliest": None,
            "metric": "log_loss",
            "effect": 0.2,
            "interval": [0.1, 0.3],
            "headline": "Degraded since 1 March 2026: age drifted",
            "evidence": "age drifted.",
            "cause": None,
            "kind": None,
            "certainty": verdict_certainty(verdict),
            "sentence": verdict_sentence(verdict),
            "later": None,
            "now": None,
            "action": verdict_action(verdict),
            "advice": "retrain",
            "reasons": ["column_moved"],
            "reason": None,
            "assumes": None,
            "slice": None,
            "window": {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"},
            "later_findings": [],
            "cause_until": None,
            "but": None,
        }
    )


def test_rows_without_a_time_have_no_start_and_no_end() -> None:
    window = to_json(Evaluation(ModelKey("m"), Window("", 0, 0), rows=0, closed=True))
    assert (window["start"], window["end"]) == (None, None)
    assert window["outcomes"] == {"rows": 0, "coverage": None, "delay": None, "sla": None}
    assert json.loads(json.dumps(window, allow_nan=False)) == window


def test_times_are_utc_with_only_the_digits_they_need() -> None:
    assert iso_time(1_772_323_200_000_000_001) == "2026-03-01T00:00:00.000000001Z"
    assert iso_time(-1_000_000_000) == "1969-12-31T23:59:59Z"
