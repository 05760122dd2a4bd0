"""Error budgets burn at the rates of the workbook, and the alerts on it fire and are quiet."""

from __future__ import annotations

from pathlib import Path

import pytest
from driftline.semconv import metrics as m
from driftline_processor.alert_rules.error_budgets import WORKBOOK, Burn, burn_of
from driftline_processor.alert_rules.error_budgets import budgets as budgets_of

from tests.support.promtool import PROMTOOLS, Fires, check_firing, check_rules, selector
from tests.support.rule_files import config, reasons, rule_file

MODEL = {"ml_model_name": "churn", "ml_model_version": "7"}
CALLS = selector(m.INSTRUMENTS[m.DRIFTLINE_PREDICTIONS].prometheus, {**MODEL, "ml_prediction_class": "1"})
OTHER_CALLS = selector(m.INSTRUMENTS[m.DRIFTLINE_PREDICTIONS].prometheus, {**MODEL, "ml_prediction_class": "0"})
FAILED = selector(m.INSTRUMENTS[m.DRIFTLINE_PREDICTION_FAILURES].prometheus, {**MODEL, "error_type": "TimeoutError"})
AVAILABLE = {"driftline_objective_rule": "availability >= 99.9 %"}


def objectives(*rules: object, windows: tuple[str, ...] = ("1h", "1d")) -> dict[str, object]:
    return {"windows": windows, "performance": {"objectives": [*rules]}}


def burns(over: str, quiet: str, fires: str, failed: str, times: str, long: str) -> Fires:
    """Return the case of an availability of 99.9 % over calls of which half are of each class."""
    summary = f"churn 7: the error budget of availability >= 99.9 % is being spent {times} times too fast over {long}"
    series = {CALLS: "0+500x1000", OTHER_CALLS: "0+500x1000", FAILED: failed}
    return Fires("BudgetBurns", series, quiet, fires, {**MODEL, **AVAILABLE}, summary, of={"over": over})


CALL_CASES = (
    # 10 % fail from 1:00 on: 100 times too fast in 5 minutes, and more than 14.4 times in an hour from 1:09 on.
    burns("calls of 1h and 5m", "65m", "130m", "0x60 100+100x500", "100", "1h"),
    # They fail for 19 minutes: it is over 5 minutes after the last one, though the hour still shows it.
    burns("calls of 1h and 5m", "90m", "80m", "0x60 100+100x18 1900x500", "31.7", "1h"),
    # 1 % fail: 10 times too fast, which is not 14.4 and more than 6.
    burns("calls of 6h and 30m", "120m", "420m", "0x60 10+10x800", "10", "6h"),
    # 0.5 %: 5 times too fast.
    burns("calls of 1d and 2h", "120m", "1000m", "0x60 5+5x2500", "4.7", "1d"),
    # 0.2 %: twice too fast.
    burns("calls of 3d and 6h", "100m", "1000m", "0x60 2+2x5500", "1.88", "3d"),
)


@pytest.mark.slow
@pytest.mark.parametrize("which", PROMTOOLS)
def test_calls_that_fail_fire_at_the_rates_of_the_workbook(which: str, tmp_path: Path) -> None:
    path = rule_file(tmp_path, config({"churn": objectives("availability >= 99.9 %")}))

    check_rules(which, path)
    check_firing(which, path, CALL_CASES, "1m", tmp_path, every="5m")


def test_the_rates_are_those_of_the_workbook() -> None:
    assert (
        Burn("1h", "5m", 14.4, "page"),
        Burn("6h", "30m", 6.0, "page"),
        Burn("1d", "2h", 3.0, "ticket"),
        Burn("3d", "6h", 1.0, "ticket"),
    ) == WORKBOOK


@pytest.mark.parametrize("which", PROMTOOLS)
def test_calls_that_are_slow_spend_the_budget_of_a_latency(which: str, tmp_path: Path) -> None:
    name = m.INSTRUMENTS[m.DRIFTLINE_PREDICT_DURATION].prometheus
    case = Fires(
        "BudgetBurns",
        {
            selector(f"{name}_count", MODEL): "0+100x300",
            # Half of the calls take longer than 1 s from 1:00 on. The bound as OpenMetrics writes it.
            selector(f"{name}_bucket", {**MODEL, "le": "1.0"}): "0+100x60 6050+50x239",
            selector(f"{name}_bucket", {**MODEL, "le": "2.5"}): "0+100x300",
        },
        "60m",
        "130m",
        {**MODEL, "driftline_objective_rule": "latency_p99 <= 1s"},
        "churn 7: the error budget of latency_p99 <= 1s is being spent 50 times too fast over 1h",
        of={"over": "calls of 1h and 5m"},
    )
    path = rule_file(tmp_path, config({"churn": objectives("latency_p99 <= 1s")}))

    check_rules(which, path)
    check_firing(which, path, [case], "1m", tmp_path)


@pytest.mark.parametrize("which", PROMTOOLS)
def test_models_with_the_same_objectives_have_rules_of_their_own(which: str, tmp_path: Path) -> None:
    same = objectives("precision >= 0.95", "latency_p99 <= 1s")
    check_rules(which, rule_file(tmp_path, config({"churn": same, "churn 2": same})))


def measured(name: str, window: str, metric: str = "precision", **more: str) -> str:
    return selector(
        m.INSTRUMENTS[name].prometheus,
        {**MODEL, "driftline_performance_metric": metric, "driftline_window": window, **more},
    )


@pytest.mark.parametrize("which", PROMTOOLS)
def test_windows_burn_where_the_whole_interval_of_the_long_one_shows_it_and_the_short_one_still_does(
    which: str, tmp_path: Path
) -> None:
    rule = {"driftline_objective_rule": "precision >= 0.95"}
    day = {
        measured(m.DRIFTLINE_PERFORMANCE_VALUE, "1d"): "0.75x200",
        measured(m.DRIFTLINE_PERFORMANCE_HIGH, "1d"): "0.8x200",
    }
    series = {
        **day,
        measured(m.DRIFTLINE_PERFORMANCE_VALUE, "1h"): "0.9x59 0.7x60 0.94x80",
        measured(m.DRIFTLINE_PERFORMANCE_HIGH, "1h"): "0.99x200",
    }
    unsure = {
        measured(m.DRIFTLINE_PERFORMANCE_VALUE, "1d"): "0.75x99 0.75x100",
        measured(m.DRIFTLINE_PERFORMANCE_HIGH, "1d"): "0.9x99 0.8x100",
        measured(m.DRIFTLINE_PERFORMANCE_VALUE, "1h"): "0.7x200",
    }
    summary = "churn 7: the error budget of precision >= 0.95 is being spent 4 times too fast over 1d"
    of = {"over": "windows of 1d and 1h"}
    cases = [
        Fires("BudgetBurns", series, "60m", "80m", {**MODEL, **rule}, summary, of=of),
        Fires("BudgetBurns", series, "125m", "80m", {**MODEL, **rule}, summary, of=of),
        Fires("BudgetBurns", unsure, "90m", "120m", {**MODEL, **rule}, summary, of=of),
    ]
    path = rule_file(tmp_path, config({"churn": objectives("precision >= 0.95")}))

    check_rules(which, path)
    check_firing(which, path, cases, "1m", tmp_path)


@pytest.mark.parametrize("which", PROMTOOLS)
def test_a_slice_and_a_model_with_one_window_burn_without_interval_and_shorter_window(
    which: str, tmp_path: Path
) -> None:
    recall = "recall >= 0.9 in country=NL"
    case = Fires(
        "BudgetBurns",
        {
            measured(
                m.DRIFTLINE_PERFORMANCE_VALUE, "1d", "recall", driftline_performance_slice="country=NL"
            ): "0.95x9 0.6x50",
            measured(m.DRIFTLINE_PERFORMANCE_VALUE, "1d", "recall"): "0.1x60",
        },
        "15m",
        "30m",
        {**MODEL, "driftline_objective_rule": recall},
        f"churn 7: the error budget of {recall} is being spent 4 times too fast over 1d",
        of={"over": "windows of 1d"},
    )
    path = rule_file(tmp_path, config({"churn": objectives(recall, windows=("1d",))}))

    check_rules(which, path)
    check_firing(which, path, [case], "1m", tmp_path)


@pytest.mark.parametrize(
    ("window", "factor", "severity"),
    [("5m", 14.4, "page"), ("1h", 14.4, "page"), ("2h", 6, "page"), ("1d", 3, "ticket"), ("1mo", 1, "ticket")],
)
def test_a_window_burns_at_the_rate_of_the_workbooks_next_longer_one(window: str, factor: float, severity: str) -> None:
    assert burn_of(window, "") == Burn(window, "", factor, severity)  # type: ignore[arg-type]


def test_an_objective_without_budget_is_left_out_with_the_fix() -> None:
    known = config(
        {
            "churn": objectives(
                "roc_auc >= baseline - 0.02",
                "latency_p99 <= 120ms",
                "latency_p99 <= 100ms in country=NL",
                "recall >= 0.9 in country",
                "precision >= 0.95 over rolling 2h",
            )
        }
    )
    at = "models.churn.performance.objectives: "
    assert reasons(known) == {
        f"{at}'roc_auc >= baseline - 0.02'": "only a target below 100 % has an error budget, "
        "as in 'precision >= 0.95'; alert on ObjectiveBroken",
        f"{at}'latency_p99 <= 120ms'": "calls are counted in histogram buckets, and 120ms is not a bound; "
        "use 75ms or 100ms",
        f"{at}'latency_p99 <= 100ms in country=NL'": "calls of a slice are not counted by duration; "
        "alert on ObjectiveBroken",
        f"{at}'recall >= 0.9 in country'": "it applies to each value of country; use one value, as in 'country=...'",
        f"{at}'precision >= 0.95 over rolling 2h'": "there is no metric for rolling windows; add 2h to windows, "
        "and remove rolling",
    }
    assert budgets_of(known.models)[0] == []


def test_an_objective_that_a_tier_gives_to_many_models_is_left_out_in_one_line() -> None:
    known = config({name: objectives("latency_p99 <= 120ms") for name in ("churn", "fraud", "spam")})
    assert [*reasons(known)] == ["models.churn.performance.objectives, as in 2 more: 'latency_p99 <= 120ms'"]
