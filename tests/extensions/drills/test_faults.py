"""Each fault breaks what it says, from its time on, and nothing else; traffic travels as the OTLP of a service."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.tables.classes import class_column
from driftline.tables.table import F64, Column, Items, is_present, numbers_of
from driftline.tables.task import Task
from driftline_extensions.drills.faults import FAULTS, Injection, choose_feature, lacking, partner_of
from driftline_extensions.drills.synthetic import synthetic_traffic
from driftline_processor.config.model import Model
from driftline_processor.core import facts
from driftline_processor.core.decode.requests import decode_logs
from driftline_processor.core.evaluation import ChangeKind, Finding, Verdict
from driftline_processor.core.fact import Fact
from driftline_processor.core.windows.window import DAY
from driftline_processor.readers.errors import BadInput
from driftline_processor.replay.traffic import Features, Traffic, values_of
from msgspec.structs import replace

from tests.support.drills import START, traffic
from tests.support.slow import slow
from tests.support.unwrap import unwrap

AT = START + 5 * DAY


class ByAge:
    """A model whose score is the age, in millions."""

    def __call__(self, features: Features, /) -> F64:
        return numbers_of(features["age"])[:, None] / 1e6

    def truth(self, scores: F64, rng: np.random.Generator, /) -> Column:
        return Column(codes=(rng.random(len(scores)) < scores[:, 0]).astype(np.int32), categories=("0", "1"))


def broken(name: str, sent: Traffic, feature: str = "", size: float | None = None, fraction: float = 1.0) -> Traffic:
    fault = FAULTS[name]
    how = Injection(AT, fault.size if size is None else size, fraction, feature, np.random.default_rng(1))
    return fault.inject(sent, how)


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_before_its_time_is_broken(name: str) -> None:
    sent = traffic()
    after = broken(name, sent, choose_feature(FAULTS[name], sent, ""))
    was, now = sent.take(sent.time < AT), after.take(after.time < AT)
    assert now.number.tolist() == was.number.tolist()
    assert now.outcome_time.tolist() == was.outcome_time.tolist()
    for feature, column in was.features.items():
        assert np.array_equal(numbers_of(now.features[feature]), numbers_of(column), equal_nan=True)
    assert np.array_equal(unwrap(now.actual).codes, unwrap(was.actual).codes)  # type: ignore[arg-type]


def test_an_input_comes_empty_in_a_share_of_the_rows() -> None:
    after = broken("feature-null", traffic(), "plan", fraction=0.5)
    there = is_present(after.features["plan"])[after.time >= AT]
    assert 200 < there.sum() < 300
    assert is_present(after.features["age"]).all()


def test_an_input_comes_in_another_unit() -> None:
    sent = traffic()
    after = broken("unit-change", sent, "age", size=1_000)
    late = sent.time >= AT
    assert after.features["age"].numbers[late].tolist() == (1_000 * sent.features["age"].numbers[late]).tolist()  # type: ignore[index]


def test_a_swap_is_with_the_input_that_lies_farthest() -> None:
    sent = traffic()
    assert partner_of(sent, "age") == "income"
    after = broken("swapped-columns", sent, "age")
    assert after.features["age"].numbers[-1] == sent.features["income"].numbers[-1]  # type: ignore[index]
    assert after.features["income"].numbers[-1] == sent.features["age"].numbers[-1]  # type: ignore[index]


def test_a_number_has_no_label_to_be_swapped_with() -> None:
    sent = traffic()
    alone = replace(sent, features={name: sent.features[name] for name in ("age", "plan")})
    with pytest.raises(BadInput, match="no other input is a number, so 'age' cannot be swapped"):
        broken("swapped-columns", alone, "age")


def test_numbers_come_as_texts_and_texts_as_numbers() -> None:
    sent = traffic()
    age = broken("schema-break", sent, "age").features["age"]
    assert age.categories[age.codes[-1]] == f"{sent.features['age'].numbers[-1]:.6g}"  # type: ignore[index]
    plan = broken("schema-break", sent, "plan").features["plan"]
    assert plan.numbers[-1] == sent.features["plan"].codes[-1]  # type: ignore[index]


def test_inputs_move_with_what_follows_from_them() -> None:
    sent = traffic()
    after = broken("covariate-shift", sent, "age")
    late = sent.time >= AT
    was, now = sent.features["age"].numbers[late], after.features["age"].numbers[late]  # type: ignore[index]
    assert now.mean() - was.mean() > 3
    pairs = {*zip(sent.features["age"].numbers.tolist(), sent.scores[:, 0].tolist(), strict=True)}  # type: ignore[index,union-attr]
    assert {*zip(now.tolist(), after.scores[late, 0].tolist(), strict=True)} <= pairs  # type: ignore[index]
    assert after.number.tolist() == sent.number.tolist()


@pytest.mark.parametrize("task", ["binary", slow("regression")])
def test_drawn_inputs_move_without_rows_that_repeat_each_other(task: str) -> None:
    settings = Model.model_validate({"task": task})
    sent = synthetic_traffic("churn", settings, None, START, days=10, rows=100, seed=1)
    after = broken("covariate-shift", sent, "tenure")
    late = sent.time >= AT
    was, now = (numbers_of(one.features["tenure"])[late] for one in (sent, after))
    assert np.median(now) > 1.5 * np.median(was)
    assert now.max() <= was.max()
    rows = zip(*(values_of(column) for column in after.take(late).features.values()), strict=True)
    assert len(set(rows)) == late.sum()
    assert unwrap(after.scores).tolist() == unwrap(sent.model)(after.features).tolist()
    assert values_of(unwrap(after.actual)) != values_of(unwrap(sent.actual))


def test_a_third_of_the_outcomes_turns() -> None:
    sent = traffic()
    after = broken("concept-shift", sent)
    turned = np.not_equal(unwrap(after.actual).codes, unwrap(sent.actual).codes)  # type: ignore[arg-type]
    assert 0.25 < turned[sent.time >= AT].mean() < 0.35
    assert after.features is sent.features


def test_outcomes_of_a_regression_move_by_their_deviation() -> None:
    sent = traffic(task=Task("regression"))
    after = broken("concept-shift", sent, size=2.0)
    was, now = numbers_of(unwrap(sent.actual)), numbers_of(unwrap(after.actual))
    assert np.allclose((now - was)[sent.time >= AT], 2 * np.std(was))


def test_outcomes_come_days_later() -> None:
    sent = traffic()
    after = broken("label-delay", sent, size=3)
    assert set((after.outcome_time - sent.outcome_time)[sent.time >= AT].tolist()) == {3 * DAY}


def test_rows_get_the_outcomes_of_others_and_none_is_lost() -> None:
    sent = traffic()
    after = broken("label-error", sent, size=1.0)
    late = sent.time >= AT
    assert sorted(after.actual.codes[late]) == sorted(sent.actual.codes[late])  # type: ignore[union-attr,index]
    assert (after.actual.codes != sent.actual.codes).any()  # type: ignore[union-attr]


def test_no_row_comes_any_more() -> None:
    assert len(broken("dead-exporter", traffic())) == 500


def test_calls_last_longer() -> None:
    after = broken("slow-model", traffic())
    assert set(np.round(after.duration[after.time >= AT], 6).tolist()) == {0.2}  # type: ignore[index]


def test_a_burst_lasts_a_day_and_repeats_a_few_rows() -> None:
    sent = traffic()
    after = broken("adversarial-burst", sent, "age")
    added = after.take(after.number >= len(sent))
    assert len(added) == 300
    assert added.time.min() >= AT
    assert added.time.max() < AT + DAY
    assert not added.outcome_time.any()
    assert len(set(added.scores[:, 0].tolist())) <= 20  # type: ignore[index]
    assert (np.diff(after.time) >= 0).all()


def test_a_model_that_can_be_asked_again_says_something_else() -> None:
    sent = replace(traffic(), model=ByAge())
    after = broken("unit-change", sent, "age")
    late = sent.time >= AT
    assert after.scores[late, 0].tolist() == (numbers_of(after.features["age"])[late] / 1e6).tolist()  # type: ignore[index]
    assert after.scores[~late].tolist() == sent.scores[~late].tolist()  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "wanted", "said"),
    [
        ("unit-change", "plan", "--feature: 'plan' contains no numbers; unit change needs a numeric input"),
        ("feature-null", "incom", "--feature: there is no input 'incom'; did you mean 'income'?"),
        ("dead-exporter", "incom", "--feature: there is no input 'incom'; did you mean 'income'?"),
    ],
)
def test_an_input_that_cannot_be_broken_is_named(name: str, wanted: str, said: str) -> None:
    with pytest.raises(BadInput) as error:
        choose_feature(FAULTS[name], traffic(), wanted)
    assert str(error.value) == said


def test_what_traffic_lacks_is_said() -> None:
    sent = replace(traffic(), actual=None, duration=None, features={})
    said = {name: lacking(fault, sent) for name, fault in FAULTS.items()}
    assert said["concept-shift"] == "there are no outcomes"
    assert said["slow-model"] == "there are no durations of calls (--latency COL)"
    assert said["swapped-columns"] == "it has only one input"
    assert said["feature-null"] == "it has no inputs"
    assert said["dead-exporter"] == ""


def verdict(kind: ChangeKind, cause: Fact) -> Verdict:
    return Verdict("at_risk", kind=kind, cause=cause)


@pytest.mark.parametrize(
    ("kind", "cause", "named"),
    [
        ("data_fault", Finding("missing", ("age",), "critical", 0.0, 1.0, 0.0), True),
        ("data_fault", Finding("missing", ("usage",), "critical", 0.0, 1.0, 0.0), False),
        ("covariate_shift", facts.ColumnMoved(name="age"), False),
    ],
)
def test_a_cause_is_named_by_its_kind_and_its_input(kind: ChangeKind, cause: Fact, named: bool) -> None:
    assert FAULTS["feature-null"].identifies(verdict(kind, cause), (), ("age",)) is named


def test_late_outcomes_are_named_by_a_policy_that_asks_for_them() -> None:
    fault = FAULTS["label-delay"]
    assert fault.identifies(None, ("coverage",), ())
    assert not fault.identifies(None, ("accuracy",), ())


def test_a_column_of_labels_alone_may_become_empty() -> None:
    sent = traffic()
    only = replace(sent, features={"plan": Column(codes=sent.features["plan"].codes, categories=("basic", "pro"))})
    assert not is_present(broken("feature-null", only, "plan").features["plan"])[sent.time >= AT].any()


NOW = START + 30 * DAY


def test_predictions_arrive_with_their_inputs_scores_and_latencies() -> None:
    sent = traffic(days=1)
    [table] = [one for body in sent.predictions() for one in decode_logs(body, NOW).predictions]
    assert (table.key.model, table.key.version, table.task.kind) == ("churn", "1", "binary")
    assert table.time.tolist() == sent.time.tolist()
    assert unwrap(table.scores)[:, 0].tolist() == sent.scores[:, 0].tolist()  # type: ignore[index]
    assert table.features["age"].numbers.tolist() == sent.features["age"].numbers.tolist()  # type: ignore[union-attr]
    assert np.allclose(unwrap(table.duration), 0.02)


def test_traffic_without_latency_says_none() -> None:
    body = b"".join(replace(traffic(days=1), duration=None).predictions())
    [table] = decode_logs(body, NOW).predictions
    assert table.duration is None or np.isnan(table.duration).all()


def test_outcomes_arrive_under_the_ids_of_their_predictions() -> None:
    sent = traffic(days=1)
    [table] = [one for body in sent.predictions() for one in decode_logs(body, NOW).predictions]
    truth = [one for body in sent.outcomes() for one in decode_logs(body, NOW).outcomes]
    assert b"".join(one.id.data for one in truth) == table.id.data
    assert sum(map(len, truth)) == 100


def test_an_outcome_that_nobody_knows_does_not_travel() -> None:
    sent = traffic(days=1)
    known = sent.outcome_time.copy()
    known[:40] = 0
    truth = [one for body in replace(sent, outcome_time=known).outcomes() for one in decode_logs(body, NOW).outcomes]
    assert sum(map(len, truth)) == 60


def test_requests_one_after_the_other_are_one() -> None:
    sent = traffic(days=1)
    decoded = decode_logs(b"".join([*sent.predictions(), *sent.outcomes()]), NOW)
    assert (sum(map(len, decoded.predictions)), sum(map(len, decoded.outcomes))) == (100, 100)


def test_some_rows_of_rankings_keep_their_items() -> None:
    lists = Items(
        np.array([0, 2, 3, 6], np.int32), Column(codes=np.arange(6, dtype=np.int32), categories=tuple("abcdef"))
    )
    whole = replace(traffic(days=1, rows=3, task=Task("ranking")), scores=None, actual=None, items=lists)
    some = whole.take(np.array([0, 2]))
    assert some.items is not None
    assert some.items.offsets.tolist() == [0, 2, 5]
    assert some.items.ids.codes.tolist() == [0, 1, 3, 4, 5]  # type: ignore[union-attr]


def test_outcomes_that_are_numbers_are_turned_like_classes() -> None:
    sent = traffic()
    codes = unwrap(unwrap(sent.actual).codes)
    numbers = replace(sent, actual=Column(codes.astype(np.float64), np.full(len(codes), -1, np.int32)))
    turned = [unwrap(broken("concept-shift", one, size=1.0).actual) for one in (sent, numbers)]
    late = sent.time >= AT
    for actual in turned:
        known = class_column(actual)
        assert [known.categories[code] for code in unwrap(known.codes)[late]] == [str(1 - code) for code in codes[late]]
