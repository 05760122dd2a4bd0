"""`driftline evaluate --config driftline.yaml`: every key of a model is applied, or said to mean nothing for files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
import yaml
from driftline_processor.config.model import Model
from driftline_processor.evaluation.files.configuration import NOT_FOR_FILES

from tests.support.churn_files import Run, write_files
from tests.support.facts import Facts, lacking

BINARY = {"task": "binary"}
DAILY = {**BINARY, "windows": ["1d"]}


class Key(NamedTuple):
    """A key's value, the keys beside it, and options of both evaluations."""

    value: Any
    beside: Mapping[str, Any] = BINARY
    options: tuple[str, ...] = ()


KEYS: dict[str, Key] = {
    "task": Key("binary", {}),
    "classes": Key(["no", "yes"], {**BINARY, "positive_class": "yes"}),
    "positive_class": Key("0"),
    "threshold": Key(0.3),
    "quantiles": Key([0.1, 0.9], {"task": "regression"}, ("--score", "score,age")),
    "baseline": Key("built.json", {}),
    "reference": Key({"last": "2d"}, DAILY),
    "windows": Key(["1d"]),
    "timezone": Key("Asia/Tokyo", DAILY),
    "outcome_delay": Key("30d", DAILY),
    "performance": Key({"confidence": 0.5}),
    "versions": Key({"champion": "north"}, BINARY, ("--version-column", "region")),
    "seasonality": Key("weekday"),
    "slices": Key(["region"]),
    "cluster": Key("region"),
    "min_effect": Key({"age": 1.0}),
    "method": Key("cramer_von_mises"),
    "methods": Key(["hellinger"]),
    "multivariate": Key([]),
    "expect": Key({"rows": ">= 10000"}),
    "concept": Key({"enabled": False}),
    "features": Key({"age": {"method": "mean_shift"}}),
}

USELESS = {
    "approvers": 2,
    "team": "payments",
    "tier": 1,
    "keep_features": "none",
    "subject": "customer",
    "metrics": {"latency": {"feature": "age"}},
}


def build(run: Run, files: Path) -> None:
    """Build the baseline ``built.json`` of the reference rows."""
    told = run(
        *("baseline", "build", files / "reference.parquet", "--model", "churn", "--task", "binary"),
        *("-o", files / "built.json"),
    )
    assert told.exit_code == 0, told.output


def answer(run: Run, files: Path, model: Mapping[str, Any], *options: str) -> Any:
    """What `driftline evaluate --config` prints; its sentence where it refuses."""
    (files / "driftline.yaml").write_text(yaml.safe_dump({"models": {"churn": dict(model)}}))
    named = () if "baseline" in model or "built" in options else ("--baseline", files / "reference.parquet")
    result = run(
        *("evaluate", files / "week.parquet", *named, "--outcomes", files / "outcomes.csv"),
        *("--config", files / "driftline.yaml", "--json", *(one for one in options if one != "built")),
    )
    return json.loads(result.stdout) if result.exit_code == 0 else result.stderr


def test_every_key_of_a_model_is_applied_or_said_to_mean_nothing() -> None:
    assert not KEYS.keys() & NOT_FOR_FILES.keys()
    assert KEYS.keys() | NOT_FOR_FILES.keys() == set(Model.model_fields)
    assert USELESS.keys() == NOT_FOR_FILES.keys()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, reference: pd.DataFrame, week: pd.DataFrame) -> Path:
    """Return one folder for all tests: they write driftline.yaml and the baseline anew."""
    return write_files(tmp_path_factory.mktemp("files"), reference, week)


@pytest.fixture(scope="module")
def answer_without(run: Run, files: Path) -> Callable[..., Any]:
    """Return what gives the answer without a key, evaluated once for all keys that have the same beside them."""
    known: dict[str, Any] = {}

    def find(model: Mapping[str, Any], *options: str) -> Any:
        asked = repr((model, options))
        if asked not in known:
            known[asked] = answer(run, files, model, *options)
        return known[asked]

    return find


@pytest.mark.parametrize("name", KEYS)
def test_a_key_changes_the_answer(name: str, run: Run, files: Path, answer_without: Callable[..., Any]) -> None:
    key = KEYS[name]
    if name == "baseline":
        build(run, files)
    without = answer_without(key.beside, *key.options, *(["built"] if name == "baseline" else []))
    found = answer(run, files, {**key.beside, name: key.value}, *key.options)

    assert isinstance(found, dict), found
    assert found != without


@pytest.mark.parametrize("name", USELESS)
def test_a_key_without_a_meaning_for_files_is_named_once(
    name: str, run: Run, files: Path, answer_without: Callable[..., Any]
) -> None:
    without = answer_without(BINARY)
    (files / "driftline.yaml").write_text(
        yaml.safe_dump({"models": {"churn": {**BINARY, name: USELESS[name]}}, "storage": {"retention": "3d"}})
    )
    result = run(
        *("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", "--json"),
        *("--outcomes", files / "outcomes.csv", "--config", files / "driftline.yaml"),
    )
    assert json.loads(result.stdout) == without
    said = f"has no effect for files: models.churn.{name} ({NOT_FOR_FILES[name]}), storage\n"
    assert result.stderr.count("has no effect for files") == 1
    assert said in result.stderr


@pytest.mark.slow
def test_an_option_wins_over_its_key(run: Run, files: Path) -> None:
    by_option = answer(run, files, {**DAILY, "threshold": 0.3}, "--window", "6h", "--threshold", "0.4")
    by_key = answer(run, files, {**BINARY, "windows": ["6h"], "threshold": 0.4})
    for found in (by_option, by_key):  # the configured windows decide about the model, whichever are drawn
        for one in (found, *found["windows"]):
            del one["verdict"]
    assert by_option == by_key


@pytest.mark.slow
def test_windows_of_several_lengths_are_all_judged_by_the_clock_of_the_model(run: Run, files: Path) -> None:
    week = pd.read_parquet(files / "week.parquet").time
    found = answer(run, files, {**BINARY, "windows": ["1d", "1w"], "timezone": "Asia/Tokyo"})
    lengths = [(pd.Timestamp(one["end"]) - pd.Timestamp(one["start"])).days for one in found["windows"]]
    days = week.dt.tz_convert("Asia/Tokyo").dt.date.nunique()
    weeks = week.dt.tz_convert("Asia/Tokyo").dt.isocalendar().week.nunique()
    assert lengths == [1] * days + [7] * weeks
    assert {pd.Timestamp(one["start"]).tz_convert("Asia/Tokyo").hour for one in found["windows"]} == {0}


def test_outcomes_that_may_still_come_leave_a_window_immature(run: Run, files: Path) -> None:
    found = answer(run, files, {**DAILY, "outcome_delay": "3d"})
    maturity = [one["performance"]["maturity"] for one in found["windows"]]
    assert maturity == ["mature"] * 3 + ["immature"] * 4


@pytest.mark.parametrize(
    ("model", "facts"),
    [
        ({"task": "multiclass"}, ("models.churn.task:", "'multiclass'", "'binary'")),
        ({"positive_class": "0"}, ("models.churn.positive_class:", "'0'", "'1'")),
    ],
)
def test_a_task_that_is_not_the_baselines_is_refused(
    model: dict[str, Any], facts: Facts, run: Run, files: Path
) -> None:
    build(run, files)
    (files / "driftline.yaml").write_text(yaml.safe_dump({"models": {"churn": model}}))
    told = run(
        *("evaluate", files / "week.parquet", "--baseline", files / "built.json"),
        *("--config", files / "driftline.yaml"),
    )
    assert told.exit_code == 2
    assert lacking(told.stderr, *facts) == []


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("models: {}", ("it contains no model",)),
        ("models: {a: {}, b: {}}", ("2 models", "--model")),
        ("models: {a: {windows: [3x]}}", ("models.a.windows",)),
    ],
)
def test_a_configuration_without_the_model_is_refused(text: str, facts: Facts, run: Run, files: Path) -> None:
    (files / "driftline.yaml").write_text(text)
    told = run(
        *("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet"),
        *("--config", files / "driftline.yaml"),
    )
    assert told.exit_code == 2
    assert lacking(told.stderr, *facts) == []
