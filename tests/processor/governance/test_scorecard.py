"""Scorecards: a line is kept only where windows could have shown otherwise, and each grade has its reason."""

from __future__ import annotations

import re
from typing import Any

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import (
    Evaluation,
    Fairness,
    FairnessCriterion,
    Finding,
    GroupComparison,
    GroupRate,
    GroupRates,
    Judgement,
    MetricValue,
    ServiceLevel,
    SlaResult,
    Verdict,
    VerdictState,
)
from driftline_processor.core.windows.window import DAY
from driftline_processor.evaluation.evaluation_store import EvaluationStore, LazyEvaluation
from driftline_processor.governance.period import Period
from driftline_processor.governance.scorecard import SUBJECTS, ScoreLine, scorecard, scorecards
from driftline_processor.queries.incidents import Incident, IncidentLog
from driftline_processor.queries.model_view import BaselineView, ModelView
from driftline_processor.store.database import Connection
from msgspec import structs
from msgspec.structs import replace

from tests.support.facts import Facts, lacking
from tests.support.money_windows import costing
from tests.support.policy_watch import model
from tests.support.verdict_windows import JULY, column, known, objective, right, value, verdict_of_model, window, wrong

QUARTER = Period(JULY, JULY + 92 * DAY, "2013Q3")


def verdict(state: VerdictState) -> Verdict:
    return Verdict(state, JULY)


def view(windows: list[Evaluation], state: VerdictState = "healthy", **more: Any) -> ModelView:
    return model(windows, verdict=verdict(state), **more)


def line(subject: str, windows: list[Evaluation], incidents: tuple[Incident, ...] = (), **more: Any) -> ScoreLine:
    return scorecard([view(windows, **more)], QUARTER, incidents).grades[subject]


def test_a_model_without_windows_has_no_green_line() -> None:
    card = scorecard([replace(view([]), verdict=None)], QUARTER, ())
    assert [one.subject for one in card.lines] == [*SUBJECTS]
    assert {one.grade for one in card.lines} == {"inconclusive", "not_agreed"}
    assert all(one.reason for one in card.lines)


@pytest.mark.parametrize(
    ("state", "grade"),
    [
        ("healthy", "kept"),
        ("degraded", "broken"),
        ("no_data", "broken"),
        ("at_risk", "watch"),
        ("lagging", "watch"),
        ("unknown", "inconclusive"),
    ],
)
def test_the_verdict_is_graded_by_its_state(state: VerdictState, grade: str) -> None:
    found = line("verdict", [window()], state=state)
    assert found.grade == grade


class TestObjectives:
    @staticmethod
    def days(*states: Judgement, number: float = 0.95) -> list[Evaluation]:
        return [
            known(day, realized={"precision": value(number)}, objectives=(objective(state, number=number),))
            for day, state in enumerate(states)
        ]

    @pytest.mark.parametrize(
        ("states", "grade", "facts"),
        [
            (("met", "met"), "kept", ("0.9", "2 of 2 windows", "50 %")),
            (("met", "inconclusive"), "kept", ("0.9", "1 of 1 window", "inconclusive", "50 %")),
            (("broken", "met"), "watch", ("0.9", "1 of 2 windows")),
            (("met", "broken"), "broken", ("0.9", "1 of 2 windows")),
            (("inconclusive", "inconclusive"), "inconclusive", ("0.9", "2 windows")),
        ],
    )
    def test_are_kept_where_all_windows_that_tell_met_them(
        self, states: tuple[Judgement, ...], grade: str, facts: Facts
    ) -> None:
        found = line("objectives", self.days(*states))
        assert found.grade == grade
        assert lacking(found.reason, *facts) == []

    def test_whose_budget_is_spent_are_broken_though_the_newest_window_met_them(self) -> None:
        found = line("objectives", self.days("met", "met", number=0.85))
        assert (found.grade, "150 % of its error budget" in found.reason) == ("broken", True)

    def test_outside_the_period_do_not_count(self) -> None:
        before = [known(-2, objectives=(objective("broken"),)), known(0, objectives=(objective("met"),))]
        assert line("objectives", before).grade == "kept"

    def test_of_open_windows_do_not_count(self) -> None:
        assert line("objectives", [known(0, objectives=(objective("broken"),), closed=False)]).grade == "not_agreed"


class TestDrift:
    def test_is_kept_where_features_could_be_compared_and_none_drifts(self) -> None:
        found = line("drift", [window(features={"temp": column("ok", "")})])
        assert found.grade == "kept"
        assert re.findall(r"\d+ \w+", found.reason) == ["1 feature", "0 windows"]

    def test_counts_windows_with_faults_that_leave_no_values_to_compare(self) -> None:
        missing = Finding("missing", ("age",), "critical", 0.0, 1.0, 1e-9)
        windows = [window(0, findings=(missing,)), window(1, features={"temp": column("ok", "")})]
        found = line("drift", windows)
        assert found.reason.endswith("; 0 windows of the period had drift, and 1 had critical faults of the data.")

    def test_cannot_be_told_where_most_features_have_too_few_rows(self) -> None:
        features = {"temp": column("ok", ""), "a": column("inconclusive", ""), "b": column("inconclusive", "")}
        assert line("drift", [window(features=features)]).grade == "inconclusive"

    def test_of_a_feature_is_to_be_watched(self) -> None:
        found = line("drift", [window(features={"temp": column()})])
        assert found.grade == "watch"
        assert "temp" in found.reason


class TestLabels:
    @staticmethod
    def day(at: int, state: Judgement) -> Evaluation:
        return window(at, label_sla=SlaResult(state, 7 * DAY, 0.9, 0.8, 0.85, 500))

    @pytest.mark.parametrize(
        ("states", "grade"),
        [
            (("met", "met"), "kept"),
            (("met", "inconclusive"), "kept"),
            (("broken", "met"), "watch"),
            (("met", "broken"), "broken"),
            (("inconclusive",), "inconclusive"),
        ],
    )
    def test_in_time_are_counted_by_windows_whose_time_is_over(self, states: tuple[Judgement, ...], grade: str) -> None:
        assert line("labels", [self.day(at, state) for at, state in enumerate(states)]).grade == grade

    def test_without_an_agreement_are_not_green_however_many_came(self) -> None:
        found = line("labels", [window(coverage=1.0)])
        assert (found.grade, "100 % of the predictions" in found.reason) == ("not_agreed", True)


class TestService:
    LEVEL = ServiceLevel(900, 0, values={"error_rate": MetricValue(0.0, 900, "panes", low=0.0, high=0.004)})

    def test_without_an_objective_is_measured_and_not_green(self) -> None:
        found = line("service", [window(service=self.LEVEL)])
        assert found.grade == "not_agreed"
        assert "call error rate 0 %" in found.reason

    def test_with_an_objective_that_is_met_is_kept(self) -> None:
        met = objective("met", "availability", 0.999, rule="availability >= 99 %", low=0.998, high=1.0)
        assert line("service", [window(service=self.LEVEL, objectives=(met,))]).grade == "kept"

    def test_that_fails_is_broken(self) -> None:
        failing = Incident(
            ModelKey("late", "1"), "service", "error_rate", JULY, None, ("1d",), JULY, "Calls fail: 9 %.", ""
        )
        found = line("service", [window(service=self.LEVEL)], (failing,))
        assert (found.grade, found.reason) == ("broken", "Calls fail: 9 %.")


class TestIncidents:
    @staticmethod
    def of(kind: str, subject: str = "temp", until: int | None = None) -> Incident:
        ended = "" if until is None else "Over."
        key = ModelKey("late", "1")
        return Incident(key, kind, subject, JULY, until, ("1d",), JULY, "It drifts.", ended)  # type: ignore[arg-type]

    def test_none_is_green_only_where_the_verdict_can_tell(self) -> None:
        assert line("incidents", [window()]).grade == "kept"
        assert line("incidents", [window()], state="unknown").grade == "inconclusive"
        assert line("incidents", []).grade == "inconclusive"

    def test_that_break_what_was_agreed_are_worse_than_drift(self) -> None:
        assert line("incidents", [window()], (self.of("objective"),)).grade == "broken"
        assert line("incidents", [window()], (self.of("verdict", "degraded"),)).grade == "broken"
        assert line("incidents", [window()], (self.of("verdict", "at_risk"),)).grade == "watch"
        found = line("incidents", [window()], (self.of("drift"), self.of("drift", until=JULY + DAY)))
        assert (found.grade, found.reason) == ("watch", "2 incidents (2 drift), 1 of them open.")

    def test_before_the_period_are_no_part_of_it(self) -> None:
        over = replace(self.of("objective", until=JULY - DAY), since=JULY - 9 * DAY)
        assert line("incidents", [window()], (over,)).grade == "kept"


class TestBaseline:
    @staticmethod
    def base(**more: Any) -> BaselineView:
        return BaselineView("config", "ab", 10_000, ("temp",), **more)

    @pytest.mark.parametrize(
        ("fields", "grade"),
        [
            ({"until": JULY - 10 * DAY}, "kept"),
            ({"until": JULY - 500 * DAY}, "watch"),
            ({}, "inconclusive"),
            ({"until": JULY, "is_own": False, "other_version": "<7>"}, "watch"),
            ({"learned": 10, "needed": 1000}, "inconclusive"),
        ],
    )
    def test_is_fresh_where_its_rows_are_of_the_last_year(self, fields: dict[str, Any], grade: str) -> None:
        assert line("baseline", [window()], baseline=self.base(**fields)).grade == grade


class TestFairness:
    @staticmethod
    def of(*states: Judgement) -> Evaluation:
        one = GroupComparison("F", "selection_rate", -0.06, -0.09, -0.03, "met", "M")
        criteria = tuple(
            FairnessCriterion("demographic_parity", "predictions", state, 0.06, 0.76, 0.1, (one,)) for state in states
        )
        return window(fairness=(Fairness("gender", "M", 1.0, 1.0, (), criteria),))

    @pytest.mark.parametrize(
        ("states", "grade"),
        [
            (("met", "met"), "kept"),
            (("met", "inconclusive"), "watch"),
            (("inconclusive",), "inconclusive"),
            (("met", "broken"), "broken"),
        ],
    )
    def test_is_kept_where_every_criterion_is_met(self, states: tuple[Judgement, ...], grade: str) -> None:
        assert line("fairness", [self.of(*states)]).grade == grade

    def test_who_has_too_few_rows_is_named(self) -> None:
        (fairness,) = self.of("met", "inconclusive").fairness
        rates = {"M": 4_000.0, "F": 31.0}
        groups = tuple(GroupRates(name, 5, {"selection_rate": GroupRate(0.2, rows)}) for name, rows in rates.items())
        told = line("fairness", [window(fairness=(structs.replace(fairness, groups=groups),))]).reason
        assert re.findall(r"\d+ of \d+|\d+ inconclusive|gender=F|31 rows", told) == [
            *("1 of 2", "1 inconclusive", "gender=F", "31 rows")
        ]
        (fairness,) = self.of("inconclusive").fairness
        told = line("fairness", [window(fairness=(structs.replace(fairness, groups=groups),))]).reason
        assert re.findall(r"too few rows|gender=F|31 rows", told) == ["too few rows", "gender=F", "31 rows"]


class TestMoney:
    def test_that_is_lost_for_certain_is_not_kept(self) -> None:
        card = scorecard([view([costing(0), costing(1)], currency="EUR")], QUARTER, ())
        assert card.grades["money"].grade == "broken"
        assert card.loss is not None
        assert (card.loss.amount, card.loss_days, card.total_loss) == (2_500.0, 2.0, 5_000.0)

    def test_without_a_currency_is_not_spoken_of(self) -> None:
        assert line("money", [costing(0)]).grade == "not_agreed"

    def test_whose_loss_may_be_none_cannot_be_told(self) -> None:
        assert line("money", [costing(0, cost=1.01)], currency="EUR").grade == "inconclusive"


def test_models_come_by_tier_then_by_what_troubles_cost_then_the_worst_first() -> None:
    def of(name: str, state: VerdictState, tier: int | None, cost: float = 1.0) -> ModelView:
        days = [costing(0, cost=cost, ends=(cost - 0.1, cost + 0.1))]
        return view(days, state, key=ModelKey(name), tier=tier, currency="EUR")

    models = [
        of("none", "degraded", None),
        of("two", "degraded", 2),
        of("healthy", "healthy", 1, 9.0),
        of("little", "degraded", 1, 2.0),
        of("much", "at_risk", 1, 4.0),
        of("degraded", "degraded", 1),
    ]
    names = [card.model.key.model for card in scorecards(models, QUARTER, ())]
    assert names == ["much", "little", "degraded", "healthy", "two", "none"]


def test_versions_of_a_model_share_a_card_and_shadows_have_no_part_in_it() -> None:
    broken = known(0, objectives=(objective("broken"),))
    met = known(0, objectives=(objective("met"),))
    shadow = view([broken], key=ModelKey("late", "2"), shadow=True)
    (card,) = scorecards([view([met]), shadow], QUARTER, ())
    assert card.grades["objectives"].grade == "kept"


def test_scorecards_and_incidents_read_no_window_of_the_store_again(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.FOR_DETAILS", 1)
    days = [
        (wrong if 30 <= day < 35 else right)(day, features={"temp": column("ok")}, score=column("ok", kind="score"))
        for day in range(60)
    ]
    evaluations = EvaluationStore(connection, lambda: JULY)
    for one in days:
        evaluations.put(1, one)
    evaluations.write(patient=False)
    stored = [*EvaluationStore(connection, lambda: JULY).history(1)["1d"].values()]
    read, reads = EvaluationStore.read_details, list[int]()

    def counted(store: EvaluationStore, evaluation: LazyEvaluation) -> dict[str, Any]:
        reads.append(evaluation.window.start)
        return read(store, evaluation)

    monkeypatch.setattr(EvaluationStore, "read_details", counted)
    verdict_of_model(stored)  # as before each snapshot
    views, log, read_before = [view(stored)], IncidentLog(), len(reads)
    (card,), (of_memory,) = (
        scorecards(views, QUARTER, log.of(views)),
        scorecards([view(days)], QUARTER, log.of([view(days)])),
    )
    assert (card.lines, card.incidents) == (of_memory.lines, of_memory.incidents)
    assert [one.kind for one in card.incidents] == ["verdict"]
    # the windows at which a state begins, and those of the degradation and before it
    assert len({*reads[read_before:]}) <= len(days) / 4
