"""Metrics of users: found by their entry points; one that fails costs itself alone and is said once."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from driftline.panes.pane import Pane
from driftline.tables.task import Task
from driftline_processor import custom_metrics
from driftline_processor.config.schema import load, validate_file
from driftline_processor.core.metrics import METRICS, direction, install_metrics, metric_of, misnamed, title
from driftline_processor.core.performance.realized import realized
from driftline_processor.custom_metrics import GROUP, load_custom_metrics
from driftline_processor.testing import metric_problems

from tests.support.churn_files import Run
from tests.support.facts import lacking
from tests.support.paths import ROOT
from tests.support.unwrap import unwrap

DOCS = ROOT / "docs/monitor/extend.md"


def install(folder: Path, modules: dict[str, str], **points: str) -> None:
    """Lay out what pip leaves of a package: modules, and the metadata with its entry points."""
    for name, text in files_of_package(modules, points).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    custom_metrics._points.cache_clear()  # another process, as it were


def files_of_package(modules: dict[str, str], points: dict[str, str]) -> dict[str, str]:
    named = "".join(f"{name} = {target}\n" for name, target in points.items())
    return {
        **{f"{name}.py": code for name, code in modules.items()},
        "our_metrics-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: our-metrics\nVersion: 1.0\n",
        "our_metrics-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "our_metrics-1.0.dist-info/entry_points.txt": f"[{GROUP}]\n{named}",
    }


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    for module in ("our_metrics", "our_youden"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    yield folder
    install_metrics(())


def example(module: str) -> str:
    """Code of the documentation, as a module."""
    return unwrap(re.search(rf"```python\n# {module}\.py\n(.*?)```", DOCS.read_text(), re.DOTALL))[1]


def test_the_example_of_the_documentation_is_a_metric_on_files_and_can_stand_in_a_condition(
    run: Run, files: Path, site: Path
) -> None:
    install(site, {"our_metrics": example("our_metrics")}, profit_of_retention="our_metrics:profit_of_retention")
    said = ("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", "--task", "binary")
    condition = "performance.realized.profit_of_retention.value < 0"
    done = run(*said, "--outcomes", files / "outcomes.csv", "--json", "--curves", "--fail-on", condition)
    assert done.exit_code == 0, done.stderr
    (window,) = json.loads(done.stdout)["windows"]
    found = window["performance"]["realized"]["profit_of_retention"]
    (_, alarms), (_, hits) = window["performance"]["confusion"]
    assert found["value"] == 300 * hits - 20 * (hits + alarms)
    assert found["rows"] == 2_400
    assert "failed" not in done.stderr


@pytest.mark.slow
def test_one_that_fails_is_left_out_and_said_once(run: Run, files: Path, site: Path) -> None:
    code = (
        "def broken(pane, task):\n    return pane.parts['confusion'][99]\ndef endless(pane, task):\n    return 1e999\n"
    )
    points = {"broken": "our_metrics:broken", "endless": "our_metrics:endless", "gone": "our_metrics:gone"}
    install(site, {"our_metrics": code}, **points, accuracy="our_metrics:broken")
    said = ("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", "--task", "binary")
    done = run(*said, "--outcomes", files / "outcomes.csv", "--json", "--window", "1d")
    assert done.exit_code == 0, done.stderr
    windows = json.loads(done.stdout)["windows"]
    assert len(windows) > 3
    for window in windows:
        assert not {"broken", "endless", "gone"} & window["performance"]["realized"].keys()
    lines = [line for line in done.stderr.splitlines() if "the metric '" in line]
    assert len(lines) == 4
    assert lacking(done.stderr, "'accuracy'", "(our_metrics:broken)") == []
    assert lacking(done.stderr, "'gone'", "(our_metrics:gone)", "AttributeError") == []
    assert lacking(done.stderr, "'broken'", "IndexError") == []
    assert lacking(done.stderr, "'endless'", "inf") == []


@pytest.mark.slow
def test_a_metric_object_that_pip_installed_has_title_direction_and_interval(
    run: Run, files: Path, site: Path, tmp_path: Path
) -> None:
    wheel = tmp_path / "our_metrics-1.0-py3-none-any.whl"
    package = files_of_package({"our_youden": example("our_youden")}, {"youden": "our_youden"})
    record = "".join(f"{name},,\n" for name in (*package, "our_metrics-1.0.dist-info/RECORD"))
    with zipfile.ZipFile(wheel, "w") as built:
        for name, text in {**package, "our_metrics-1.0.dist-info/RECORD": record}.items():
            built.writestr(name, text)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--target", str(site), str(wheel)], check=True)
    said = ("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", "--task", "binary")
    done = run(*said, "--outcomes", files / "outcomes.csv", "--json", "--curves", "--objectives", "youden >= 0.99")
    assert done.exit_code == 0, done.stderr
    (window,) = json.loads(done.stdout)["windows"]
    found = window["performance"]["realized"]["youden"]
    (kept, alarms), (missed, hits) = window["performance"]["confusion"]
    value = kept / (kept + alarms) + hits / (missed + hits) - 1
    assert found["value"] == pytest.approx(value, abs=1e-12)
    assert found["low"] < value < found["high"]
    (objective,) = window["performance"]["objectives"]
    assert objective["state"] == "broken"
    assert (title("youden"), direction("youden")) == ("Youden's J", 1)


def test_the_metric_of_the_documentation_keeps_what_every_metric_promises(site: Path) -> None:
    install(site, {"our_youden": example("our_youden")}, youden="our_youden")
    assert metric_problems(importlib.import_module("our_youden").METRIC) == []


def test_a_metric_object_may_be_asked_for_in_the_file(site: Path, tmp_path: Path) -> None:
    install(site, {"our_youden": example("our_youden")}, youden="our_youden:METRIC")
    file = tmp_path / "driftline.yaml"
    file.write_text("models: {m: {task: binary, performance: {objectives: [youden >= 0.1], metrics: [youden]}}}")
    assert load(file).models["m"].performance.settings.metrics == ("youden", "youden")
    file.write_text("models: {m: {task: regression, performance: {metrics: [youden]}}}")
    (problem,) = [*map(str, validate_file(file))]
    assert lacking(problem, "models.m.performance.metrics:", "'youden'") == []
    assert lacking(misnamed("youdn", "binary"), "'youdn'", "'youden'") == []


METRIC = """
from driftline_processor.core.metrics import Metric
from driftline_processor.core.evaluation import MetricValue
def value(sums, name):
    return MetricValue(0.5, 3, "panes")
def made(**keys):
    said = dict(name="own", title="own", tasks={"binary"}, direction=1, unit="fraction", source="", value=value)
    return Metric(**{**said, **keys})
"""
WRONG = {
    "number = 7": "(our_metrics:own) cannot be loaded: TypeError: it is a int; use a Metric, or a function with",
    "made(name='other')": "cannot be loaded: ValueError: its METRIC is called 'other'; use the same name",
    "made(tasks={'binari'})": "is not used: its task 'binari' does not exist; use one or more of binary, "
    "multiclass, ranking",
    "made(tasks=set())": "is not used: it has no task; add one or more of binary, multiclass, ranking, regression",
    "made(direction=2)": "is not used: its direction is 2; use 1 = higher is better, -1 = lower is better, or 0",
    "made(unit='euro')": "is not used: its unit 'euro' is not supported; use one of fraction, score, nats, target",
    "made(title='')": "is not used: it has no title; add the title that pages show",
    "made(minimum=1.0, maximum=1.0)": "is not used: its lower bound 1 must be below its upper bound 1",
    "made(tasks=None)": "cannot be loaded: TypeError: ",
    "made(value=lambda sums, name: 1 / 0)": "'own' has no value where it fails: ZeroDivisionError: division by zero",
    "made(value=lambda sums, name: 0.5)": "'own' has no value where it fails: TypeError: its value is a float; "
    "return a",
    "made(value=lambda sums, name: MetricValue(float('nan'), 3, "
    "'panes'))": "has no value where it fails: its value is nan",
    "made(usual=lambda task: 1 / 0)": "'own' has no value where it fails: ZeroDivisionError: division by zero",
}


@pytest.mark.parametrize(("code", "sentence"), WRONG.items())
def test_a_metric_that_cannot_be_used_is_said_once_and_others_stay(code: str, sentence: str, site: Path) -> None:
    own = code if "=" in code.partition("(")[0] else f"own = {code}"
    fine = "def fine(pane, task):\n    return 3\n"
    text = f"{METRIC}{own.replace('number =', 'own =')}\n{fine}"
    install(site, {"our_metrics": text}, own="our_metrics:own", fine="our_metrics:fine")
    said: list[str] = []
    load_custom_metrics(said.append)
    pane = Pane({"outcomes": np.array([4.0, 4.0, 4.0])})
    for _ in range(2):
        found = realized(pane, Task("binary", ("0", "1"), "1"))
        assert "own" not in found
        assert found["fine"].value == 3.0
    assert len(said) == 1
    assert sentence in said[0]
    assert said[0].startswith("the metric 'own' ")


def test_an_interval_a_gradient_and_an_estimate_that_raise_cost_themselves_alone(site: Path) -> None:
    fails = "def fails(*_):\n    raise KeyError('no')\n"
    kinds = {
        "own": "made(interval=fails)",
        "sloped": "made(name='sloped', gradient=fails)",
        "guessed": "made(name='guessed', estimate=Estimation(of_decisions=fails, of_scores=fails))",
    }
    code = "".join(f"{name} = {value}\n" for name, value in kinds.items())
    text = f"{METRIC}from driftline_processor.core.metrics import Estimation\n{fails}{code}"
    install(site, {"our_metrics": text}, **{name: f"our_metrics:{name}" for name in kinds})
    said: list[str] = []
    found = load_custom_metrics(said.append)
    assert unwrap(found["own"].interval)(None, None, 0.5) is None  # type: ignore[arg-type]
    assert found["guessed"].estimate is not None
    assert unwrap(found["guessed"].estimate.of_scores)(np.ones(2), np.ones(2), np.ones(2)) is None
    assert unwrap(found["guessed"].estimate.of_decisions)(np.ones((2, 2)))[0] is None
    assert [sentence.partition(" has no value")[0] for sentence in said] == ["the metric 'own'", "the metric 'guessed'"]


def test_a_file_may_name_a_metric_that_cannot_be_loaded_and_nothing_else_that_is_none(
    site: Path, tmp_path: Path
) -> None:
    install(site, {"our_metrics": "1 / 0"}, gone="our_metrics:gone")
    file = tmp_path / "driftline.yaml"
    file.write_text("models: {m: {task: binary, performance: {metrics: [accuracy, gone], objectives: [gone >= 1]}}}")
    model = load(file, None).models["m"]  # the processor starts, and says at the start what is wrong
    assert model.performance.settings.metrics == ("accuracy",)
    file.write_text("models: {m: {performance: {metrics: [gonne]}}}")
    assert "'gonne' is not a metric" in next(map(str, validate_file(file)))


def test_metrics_that_stay_are_there_while_they_are_installed_anew(site: Path) -> None:
    install(site, {"our_metrics": "def own(pane, task):\n    return 1.0\n"}, own="our_metrics:own")
    load_custom_metrics()
    seen = [name for name in METRICS if load_custom_metrics()]  # as a page goes through them when storage opens again
    assert seen == list(METRICS)
    assert "own" in seen


def test_nothing_is_installed_where_nobody_installed_anything() -> None:
    said: list[str] = []
    assert load_custom_metrics(said.append) == {}
    assert said == []


def test_an_earlier_metric_goes_when_it_is_installed_no_more(site: Path) -> None:
    names = list(METRICS)
    install(site, {"our_metrics": "def own(pane, task):\n    return 3\n"}, own="our_metrics:own")
    load_custom_metrics()
    assert list(METRICS) == [*names, "own"]
    assert metric_of("own") is METRICS["own"]
    install(site, {}, other="our_metrics:gone")
    load_custom_metrics()
    assert (list(METRICS), metric_of("own")) == (names, None)


def test_a_function_gets_the_sums_of_any_task_and_cannot_change_them(site: Path) -> None:
    code = """
from driftline_processor.core.evaluation import MetricValue
def spoil(pane, task):
    pane.parts["confusion"][0] = 7.0
def missed(pane, task):
    return None if task.kind else pane.parts["confusion"][2]
def whole(pane, task):
    return MetricValue(None, 5, "panes")
"""
    points = {name: f"our_metrics:{name}" for name in ("spoil", "missed", "whole")}
    install(site, {"our_metrics": code}, **points)
    said: list[str] = []
    load_custom_metrics(said.append)
    pane = Pane({"outcomes": np.array([2.0, 2.0, 2.0]), "confusion": np.array([1.0, 0.0, 1.0, 0.0])})
    found = realized(pane, Task())
    assert {name: (value.value, value.rows) for name, value in found.items()} == {
        "missed": (1.0, 2),
        "whole": (None, 5),
    }
    assert "missed" not in realized(pane, Task("binary", ("0", "1"), "1"))
    assert realized(Pane(), Task()) == {}
    assert len(said) == 1
    assert lacking(said[0], "'spoil'", "ValueError") == []


def test_a_metric_that_does_not_exist_is_refused(run: Run, files: Path) -> None:
    said = ("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", "--task", "binary")
    done = run(*said, "--outcomes", files / "outcomes.csv", "--metrics", "cohen_kapa")
    assert done.exit_code == 2
    assert done.stderr.startswith("driftline: --metrics cohen_kapa: 'cohen_kapa' is not a metric of a binary model;")
