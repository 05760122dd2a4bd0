"""A configuration of several files, and models that take what their tier says."""

from __future__ import annotations

from pathlib import Path

import pytest
from driftline_processor.config.schema import load, validate_file

from tests.support.facts import lacking

MAIN = """
include: models/*.yaml
tiers:
  1: {windows: [1h, 1d], performance: {objectives: ["accuracy >= 0.8"], confidence: 0.99}}
models:
  churn: {tier: 1, performance: {objectives: ["accuracy >= 0.9"]}}
  other: {}
"""


def written(folder: Path, main: str = MAIN, **files: str) -> Path:
    """Write a file that includes others; return its path."""
    (folder / "models").mkdir()
    for name, text in files.items():
        (folder / "models" / f"{name}.yaml").write_text(text)
    path = folder / "driftline.yaml"
    path.write_text(main)
    return path


def test_models_of_all_files_are_there_and_have_what_their_tier_says(tmp_path: Path) -> None:
    path = written(tmp_path, a="models: {fraud: {tier: 1, windows: [1w]}}", b="models: {late: {tier: 2}}", empty="")
    models = load(path).models
    assert {*models} == {"churn", "other", "fraud", "late"}
    told = {
        name: (one.windows, [rule.rule for rule in one.performance.objectives], one.performance.confidence)
        for name, one in models.items()
    }
    assert told == {
        "churn": (("1h", "1d"), ["accuracy >= 0.9"], 0.99),
        "fraud": (("1w",), ["accuracy >= 0.8"], 0.99),
        "late": (("1h", "1d"), [], 0.95),
        "other": (("1h", "1d"), [], 0.95),
    }


def test_a_pattern_may_begin_at_the_root(tmp_path: Path) -> None:
    path = written(tmp_path, f"include: '{tmp_path}/models/*.yaml'", credit="models: {fraud: {tier: 1}}")
    assert [*load(path).models] == ["fraud"]


def test_included_files_hold_policies_channels_and_silences_too(tmp_path: Path) -> None:
    told = "policies: {low: {when: accuracy < 0.8, notify: ops}}\nchannels: {ops: 'https://example.com/hook'}\n"
    told += "silences: {sale: {since: 2026-12-24T00:00:00Z, until: 2026-12-27T00:00:00Z}}"
    config = load(written(tmp_path, a=told))
    assert ([*config.policies], [*config.channels], [*config.silences]) == (["health", "low"], ["ops"], ["sale"])


def test_a_baseline_of_an_included_file_is_beside_the_including_one(tmp_path: Path) -> None:
    path = written(tmp_path, a="models: {fraud: {baseline: fraud.json}}")
    (problem,) = [*map(str, validate_file(path))]
    assert lacking(problem, "models.fraud.baseline:", f"{tmp_path / 'fraud.json'}") == []


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"a": "models: {churn: {}}"}, "models.churn: is in both this file and a.yaml; remove one of the two"),
        (
            {"a": "models: {x: {}}", "b": "models: {x: {}}"},
            "models.x: is in both a.yaml and b.yaml; remove one of the two",
        ),
        (
            {"a": "web: {}"},
            "include: a.yaml: 'web' is allowed only in the main file, which contains 'include'; move it there",
        ),
        ({"a": "models: [x]"}, "include: a.yaml: models: must contain names, each with its keys indented below it"),
        ({"a": "models: {"}, "include: a.yaml: line 1, column 10: expected the node content, but found '<stream end>'"),
        ({"a": "[1]"}, "include: a.yaml: must be a mapping of keys to values, such as 'models: {churn: {tier: 1}}'"),
        ({"a": "models: {x: {windws: [1d]}}"}, "models.x.windws: there is no such key; did you mean 'windows'?"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_name(tmp_path: Path, files: dict[str, str], problem: str) -> None:
    assert [*map(str, validate_file(written(tmp_path, **files)))] == [problem]


@pytest.mark.parametrize(
    ("main", "problem"),
    [
        ("include: nowhere/*.yaml", "include: there is no file 'nowhere/*.yaml'; patterns are relative to"),
        ("include: {a: b}", "include: {'a': 'b'} is not a list of files; use a list such as [models/*.yaml]"),
        ("tiers: {4: {}}", "tiers: '4' is not a tier; use 1, 2 or 3"),
        ("tiers: {1: {tier: 2}}", "tiers: 1: must contain keys of a model except 'tier'"),
        ("tiers: {1: {windws: [1d]}}\nmodels: {x: {tier: 1}}", "tiers: 1.windws: there is no such key; did you mean"),
        ("tiers: [1]", "tiers: must map a tier to keys of a model, such as {1: {windows: [1h]}}"),
    ],
)
def test_what_is_wrong_with_tiers_and_patterns_is_said_once(tmp_path: Path, main: str, problem: str) -> None:
    (said,) = [*map(str, validate_file(written(tmp_path, main)))]
    assert said.startswith(problem)
