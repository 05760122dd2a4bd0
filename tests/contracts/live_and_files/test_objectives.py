"""Intervals and objectives in the state: those of files, whatever the order; and when labels are late."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from driftline.baseline.baseline import Baseline
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.task import Task
from driftline_processor.config.model import Model
from driftline_processor.config.performance import Performance
from driftline_processor.config.policies import Policy
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.performance.objective import Objective, read_objective
from driftline_processor.core.policy.condition import Finding, ObjectiveBroken
from driftline_processor.core.verdict.signs import signs_of_loss
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.exporters.derived_metrics import points

from tests.support.facts import lacking
from tests.support.slow import slow
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, outcomes, predictions

HEALTHY = Verdict("healthy")
RULES = (
    "precision >= 0.95 over rolling 1h",
    "precision >= 0.85 over rolling 1h",
    "recall >= 0.5 over 1h",
    "log_loss <= baseline + 0.1",
)


def transactions(n: int, seed: int, hours: int = 3) -> pd.DataFrame:
    """Transactions, of which what is flagged is reviewed, and one of twenty others; the second hour is a bad one."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.integers(0, hours * HOUR, n))
    score = rng.beta(0.3, 3, n)
    bad = (time > 0.75 * HOUR) & (time < 1.75 * HOUR)
    right = np.where(score >= 0.5, np.where(bad, 0.4, 0.97), score / 4)
    flagged = score >= 0.5
    return pd.DataFrame(
        {
            "id": [f"t{at}" for at in range(n)],
            "time": (NOON + time) / 1e9,
            "amount": rng.exponential(50, n),
            "score": score,
            "actual": (rng.random(n) < right).astype(int),
            "reviewed": flagged | (rng.random(n) < 0.05),
            "weight": np.where(flagged, 1.0, 20.0),
        }
    )


def built() -> Baseline:
    return Baseline.from_frame(
        transactions(4_000, 1), score="score", actual="actual", time="time", features=["amount"],
        model="churn", version="1", task="binary", classes=[0, 1],
    )  # fmt: skip


def send(state: Opened, rows: pd.DataFrame, parts: int, rng: np.random.Generator) -> None:
    """Send predictions and reviews in any order, some of them before their prediction."""
    reviewed = rows[rows["reviewed"]]
    for some, told in zip(
        np.array_split(rng.permutation(len(rows)), parts),
        np.array_split(rng.permutation(len(reviewed)), parts),
        strict=True,
    ):
        sent, known = rows.iloc[some], reviewed.iloc[told]
        times = (sent["time"] * 1e9).astype("int64").tolist()
        state.send(
            outcomes(known["id"].tolist(), known["actual"].tolist(), NOON + 3 * HOUR, weight=known["weight"].tolist())
        )
        state.send(
            predictions(
                sent["id"].tolist(), times, sent["score"].tolist(), features={"amount": sent["amount"].tolist()}
            )
        )


def of_files(
    tmp_path: Path, rows: pd.DataFrame, rules: tuple[str, ...] = (), config: Path | None = None
) -> list[Evaluation]:
    built().save(tmp_path / "m.baseline.json")
    rows[["id", "time", "amount", "score"]].to_parquet(tmp_path / "rows.parquet")
    rows.loc[rows["reviewed"], ["id", "actual", "weight"]].to_parquet(tmp_path / "reviews.parquet")
    return evaluate_files(
        EvaluationInputs([tmp_path / "rows.parquet"], tmp_path / "m.baseline.json", tmp_path / "reviews.parquet"),
        EvaluationOptions(time="time", id="id", window="1h", objectives=rules, config=config),
        lambda _: None,
    ).evaluations


def of_both(
    open_state: Open, clock: Clock, tmp_path: Path, rows: pd.DataFrame
) -> tuple[list[Evaluation], list[Evaluation]]:
    """The hours as the state has them, and as files have, which are the same in all that is realized."""
    asked = Performance(objectives=tuple(map(read_objective, RULES)))
    model = Model(windows=("1h", "1d"), performance=asked, outcome_delay=timedelta(0))
    state = open_state(churn=model)
    clock.now = NOON + 4 * HOUR
    state.send(baselines=[built().to_json()])
    rng = np.random.default_rng(3)
    send(state, rows.iloc[:3_000], 3, rng)
    state = open_state(churn=model)
    send(state, rows.iloc[3_000:], 3, rng)
    clock.now += 2 * HOUR
    live, files = state.view().windows["1h"][:3], of_files(tmp_path, rows, RULES)
    assert len(live) == len(files) == 3
    for ours, theirs in zip(live, files, strict=True):
        assert ours.realized.keys() == theirs.realized.keys()
        for name, one in ours.realized.items():
            other, exact = theirs.realized[name], one.bound == 0
            assert (one.interval, one.rows) == (other.interval, other.rows), name
            for field in ("value", "low", "high", "effective_rows"):
                was, now = getattr(other, field), getattr(one, field)
                assert (was is None) == (now is None), (name, field)
                assert now is None or now == pytest.approx(
                    was, rel=1e-9, abs=1e-9 if exact else max(0.02, one.bound)
                ), (name, field)
        assert [one.rule for one in ours.objectives] == [one.rule for one in theirs.objectives] == list(RULES)
        for here, there in zip(ours.objectives, theirs.objectives, strict=True):
            assert (here.state, here.rows, here.needed, here.since, here.until, here.remarks) == (
                *(there.state, there.rows, there.needed, there.since, there.until, there.remarks),
            )
            for field in ("value", "low", "high"):
                was = getattr(there, field)
                assert getattr(here, field) == (None if was is None else pytest.approx(was, rel=1e-9)), field
    return live, files


@pytest.mark.slow
def test_reviews_of_fraud_come_to_the_same_live_and_on_files(open_state: Open, clock: Clock, tmp_path: Path) -> None:
    live, _ = of_both(open_state, clock, tmp_path, transactions(6_000, 2))
    rolling = [one.objectives[0] for one in live]
    assert [one.state for one in rolling] == ["inconclusive", "broken", "broken"]
    assert NOON + 0.6 * HOUR < rolling[1].since < NOON + 0.9 * HOUR
    assert rolling[1].until < NOON + 1.5 * HOUR  # before the whole hour is bad
    accuracy = live[0].realized["accuracy"]
    assert accuracy.effective_rows is not None
    assert accuracy.effective_rows < accuracy.rows


@pytest.mark.slow
def test_where_only_what_was_flagged_is_reviewed_precision_is_all_that_is_known(
    open_state: Open, clock: Clock, tmp_path: Path
) -> None:
    rows = transactions(3_000, 2)
    rows["reviewed"] = rows["score"] >= 0.5
    live, files = of_both(open_state, clock, tmp_path, rows)
    quiet = [
        int(((rows["score"] < 0.5) & (rows["time"] * 1e9 // HOUR == (NOON + at * HOUR) // HOUR)).sum())
        for at in range(3)
    ]
    assert [one.unreviewed for one in live] == [one.unreviewed for one in files] == [{"0": n} for n in quiet]
    for hour, missing in zip(live, quiet, strict=True):
        known = {name for name, one in hour.realized.items() if one.low is not None}
        assert known == {"precision"}
        assert {one.interval for name, one in hour.realized.items() if name != "precision"} == {"unreviewed", ""}
        recall, log_loss = hour.objectives[2:]
        assert (recall.state, log_loss.state) == ("inconclusive", "inconclusive")
        assert recall.remarks == (facts.DecisionsUnreviewed(predictions={"0": missing}),)
    assert live[0].realized["recall"].value == 1.0
    assert "broken" in {one.objectives[0].state for one in live}


@pytest.mark.slow
def test_gauges_say_what_came_of_objectives_and_how_sure_metrics_are(open_state: Open, clock: Clock) -> None:
    asked = Performance(objectives=(read_objective(RULES[0]),))
    state = open_state(churn=Model(windows=("1h",), performance=asked, outcome_delay=timedelta(0)))
    clock.now = NOON + 4 * HOUR
    send(state, transactions(3_000, 4), 1, np.random.default_rng(5))
    clock.now += 2 * HOUR
    newest = next(one for one in reversed(state.view().windows["1h"]) if one.closed)
    said = {
        (
            point.metric,
            dict(point.attributes).get(a.DRIFTLINE_PERFORMANCE_METRIC),
            dict(point.attributes).get(a.DRIFTLINE_STATE),
        ): point
        for point in points(state.state)
        if point.metric.startswith(("driftline.performance", "driftline.objective"))
    }
    rolling = next(one.objectives[0] for one in reversed(state.view().windows["1h"]) if one.objectives[0].until)
    found = said[m.DRIFTLINE_OBJECTIVE_STATUS, "precision", rolling.state]
    assert found.value == 1.0
    assert dict(found.attributes)[a.DRIFTLINE_OBJECTIVE_RULE] == RULES[0]
    for metric, end in ((m.DRIFTLINE_PERFORMANCE_LOW, "low"), (m.DRIFTLINE_PERFORMANCE_HIGH, "high")):
        assert said[metric, "precision", None].value == getattr(newest.realized["precision"], end)


@pytest.mark.slow
def test_a_window_ripens_when_its_outcomes_had_their_time(open_state: Open, clock: Clock) -> None:
    rule = read_objective("accuracy >= 0.5")
    asked = Performance(objectives=(rule,), min_coverage=0.5)
    model = Model(windows=("1h",), outcome_delay=timedelta(days=2), performance=asked)
    state = open_state(churn=model)
    ids = [f"a{at}" for at in range(100)]
    state.send(predictions(ids, NOON, [0.9] * 100), outcomes(ids[:40], [1] * 40))
    clock.now = NOON + 2 * HOUR
    state.send(predictions(["later"], clock.now))

    def first() -> Evaluation:
        return next(one for one in state.view().windows["1h"] if one.window.start == NOON)

    young = first()
    assert (young.maturity, young.objectives[0].state) == ("immature", "inconclusive")
    assert young.immature == (facts.OutcomesMayStillCome(delay=2 * DAY, learned_from=None),)
    clock.now = NOON + 3 * DAY
    state.send(predictions(["much later"], clock.now))
    assert first().immature == (facts.CoverageTooLow(coverage=0.4, needed=0.5),)
    state.send(outcomes(ids[40:60], [1] * 20))
    state = open_state(churn=model)
    assert (first().maturity, first().immature, first().objectives[0].state) == ("mature", (), "met")


@pytest.mark.slow
def test_who_reviews_too_little_is_told_once_in_the_log_and_as_long_as_it_lasts_elsewhere(
    open_state: Open, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    rule = Objective("accuracy", least=0.9, alert_after=3)
    asked = Performance(objectives=(rule,), min_coverage=0.5)
    state = open_state(churn=Model(windows=("1h",), performance=asked))

    def hour(number: int, reviewed: int) -> None:
        ids, at = [f"{number}-{row}" for row in range(100)], NOON + number * HOUR
        clock.now = at + HOUR // 2
        state.send(predictions(ids, at, [0.9] * 100), outcomes(ids[:reviewed], [1] * reviewed, at))
        state.view()

    def gauges() -> dict[str, float]:
        return {
            one.metric: one.value
            for one in points(state.state)
            if dict(one.attributes).get(a.DRIFTLINE_OBJECTIVE_RULE) == rule.rule
        }

    def hints() -> list[str]:
        return [one for one in state.view().hints if "windows in a row" in one]

    hour(0, 60)  # enough, and all right
    for number in range(1, 4):
        hour(number, 10)
    assert (gauges()[m.DRIFTLINE_OBJECTIVE_OVERDUE], hints(), caplog.messages) == (0.0, [], [])
    for number in range(4, 7):
        hour(number, 10)
    said = "inconclusive in 3 windows in a row: too few rows are reviewed, about 50 rows in a window would be enough"
    assert len(caplog.messages) == 1
    assert lacking(caplog.messages[0], "churn 1", "0.9", "1h", f"{said}") == []
    assert len(hints()) == 1
    found = gauges()
    assert (found[m.DRIFTLINE_OBJECTIVE_OVERDUE], found[m.DRIFTLINE_OBJECTIVE_INCONCLUSIVE_WINDOWS]) == (1.0, 4.0)
    assert found[m.DRIFTLINE_OBJECTIVE_REQUIRED_ROWS] == 50.0
    for number in range(7, 10):
        hour(number, 60)
    assert (gauges()[m.DRIFTLINE_OBJECTIVE_OVERDUE], hints()) == (0.0, [])
    assert m.DRIFTLINE_OBJECTIVE_REQUIRED_ROWS not in gauges()


@pytest.mark.slow
def test_a_month_of_stormy_days_is_as_unsure_live_as_on_files(open_state: Open, clock: Clock, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    day = np.repeat(np.arange(28), 40)
    start = NOON - NOON % DAY - 28 * DAY
    start -= (start // DAY + 3) % 7 * DAY  # a Monday
    error = rng.normal(0, 2, 28)[day] + rng.normal(0, 1, len(day))
    truth = rng.normal(50, 5, len(day))
    time = start + day * DAY + rng.integers(0, DAY, len(day))
    rows = pd.DataFrame(
        {"id": [f"r{at}" for at in range(len(day))], "time": time / 1e9, "x": 1.0, "score": truth + error}
    )
    pd.DataFrame({"id": rows["id"], "actual": truth}).to_parquet(tmp_path / "truth.parquet")
    rows.to_parquet(tmp_path / "rows.parquet")
    task = Task("regression")
    baseline = Baseline.from_frame(
        rows.iloc[:200], score="score", features=["x"], model="churn", version="1", task="regression"
    )
    baseline.save(tmp_path / "m.json")
    clock.now = start + 29 * DAY
    state = open_state(churn=Model(windows=("4w",)))
    state.send(baselines=[baseline.to_json()])
    for some in np.array_split(rng.permutation(len(day)), 4):
        ids = rows["id"].iloc[some].tolist()
        state.send(
            predictions(
                ids,
                (rows["time"].iloc[some] * 1e9).astype("int64").tolist(),
                rows["score"].iloc[some].tolist(),
                task=task,
            ),
            outcomes(ids, truth[some].tolist(), clock.now),
        )
    live = next(one for one in state.view().windows["4w"] if one.outcome_rows)
    (files,) = (
        one
        for one in evaluate_files(
            EvaluationInputs([tmp_path / "rows.parquet"], tmp_path / "m.json", tmp_path / "truth.parquet"),
            EvaluationOptions(time="time", id="id", window="4w"),
            lambda _: None,
        ).evaluations
        if one.window == live.window
    )
    assert live.realized["mae"].interval == live.realized["bias"].interval == live.realized["r2"].interval == "blocks"
    for name, one in live.realized.items():
        other = files.realized[name]
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), rel=1e-9), name
    alone = 2 * 1.96 * error.std() / len(error) ** 0.5
    assert (live.realized["bias"].high or 0) - (live.realized["bias"].low or 0) > 3 * alone


@pytest.mark.slow
def test_what_nobody_chose_for_review_is_excluded_where_outcomes_are_sampled(
    open_state: Open, clock: Clock, tmp_path: Path
) -> None:
    rows = transactions(600, 8).iloc[:300]
    told = rows.assign(weight=rows["weight"].where(rows.index % 3 > 0))
    state = open_state(churn=Model(windows=("4h",), performance=Performance(outcomes="sampled")))
    clock.now = NOON + 5 * HOUR
    ids, times = rows["id"].tolist(), (rows["time"] * 1e9).astype("int64").tolist()
    state.send(outcomes(ids[:50], rows["actual"].tolist()[:50], weight=told["weight"].tolist()[:50]))
    state.send(predictions(ids, times, rows["score"].tolist()))
    state.send(outcomes(ids[50:], rows["actual"].tolist()[50:], weight=told["weight"].tolist()[50:]))
    newest = state.view().windows["4h"][-1]
    assert (newest.outcome_rows, state.counted("no_weight")) == (200, 100)
    chosen = told.dropna(subset=["weight"])
    right = (chosen["score"] >= 0.5) == (chosen["actual"] == 1)
    assert newest.realized["accuracy"].value == pytest.approx(np.average(right, weights=chosen["weight"]), rel=1e-12)

    built().save(tmp_path / "m.json")
    rows[["id", "time", "amount", "score"]].to_parquet(tmp_path / "rows.parquet")
    told[["id", "actual", "weight"]].to_parquet(tmp_path / "reviews.parquet")
    said: list[str] = []
    (files,) = evaluate_files(
        EvaluationInputs(
            [tmp_path / "rows.parquet"],
            tmp_path / "m.json",
            tmp_path / "reviews.parquet",
            settings=ModelSettings(performance=Performance(outcomes="sampled").settings),
        ),
        EvaluationOptions(time="time", id="id", window="4h"),
        said.append,
    ).evaluations
    assert files.realized["accuracy"].value == pytest.approx(newest.realized["accuracy"].value, rel=1e-12)
    assert files.outcome_rows == 200
    assert any("100" in line and "without a weight" in line for line in said)


@pytest.mark.parametrize(("severity", "state"), [(None, "broken"), slow("critical", "broken"), slow("info", None)])
def test_a_fixed_limit_of_a_policy_is_an_objective_of_the_verdict(
    severity: str | None, state: str | None, open_state: Open, clock: Clock, tmp_path: Path
) -> None:
    rows = transactions(6_000, 2)
    policy = {"when": "precision < 93 %", "window": "1h", "severity": severity}
    (tmp_path / "driftline.yaml").write_text(
        yaml.safe_dump({"models": {"churn": {"windows": ["1h", "1d"]}}, "policies": {"precise": policy}})
    )
    files = of_files(tmp_path, rows, config=tmp_path / "driftline.yaml")
    opened = open_state(
        policies={"precise": Policy.model_validate(policy)},
        churn=Model(windows=("1h", "1d"), outcome_delay=timedelta(0)),
    )
    clock.now = NOON + 4 * HOUR
    opened.send(baselines=[built().to_json()])
    send(opened, rows, 3, np.random.default_rng(3))
    clock.now += 2 * HOUR
    live = opened.view().windows["1h"]
    for windows in (live, files):
        (second,) = (one for one in windows if one.window.start == NOON + HOUR)
        found = [(one.rule, one.policy, one.alert_after, one.state) for one in second.objectives]
        assert found == ([] if state is None else [("precision >= 0.93 over 1h", "precise", 0, state)])
        loss = [sign for sign in signs_of_loss(second) if sign.reason == "objective"]
        assert [sign.metric for sign in loss] == ([] if state is None else ["precision"])
        assert ObjectiveBroken("objective broken").judge(Finding([second], 0, lambda _: HEALTHY)).holds is None
