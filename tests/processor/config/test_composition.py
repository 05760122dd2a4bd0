"""A configuration of several files, and models that take what their tier says."""

from __future__ import annotations

from pathlib import Path

import pytest
from driftline_processor.config.schema import load, validate_file

from tests.support.facts import Facts, lacking

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
    ("files", "facts"),
    [
        ({"a": "models: {churn: {}}"}, ("models.churn:", "a.yaml")),
        ({"a": "models: {x: {}}", "b": "models: {x: {}}"}, ("models.x:", "a.yaml", "b.yaml")),
        ({"a": "web: {}"}, ("include: a.yaml:", "'web'")),
        ({"a": "models: [x]"}, ("include: a.yaml: models:",)),
        ({"a": "models: {"}, ("include: a.yaml: line 1, column 10:", "'<stream end>'")),
        ({"a": "[1]"}, ("include: a.yaml:", "'models: {churn: {tier: 1}}'")),
        ({"a": "models: {x: {windws: [1d]}}"}, ("models.x.windws:", "'windows'")),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_name(tmp_path: Path, files: dict[str, str], facts: Facts) -> None:
    (found,) = [*map(str, validate_file(written(tmp_path, **files)))]
    assert lacking(found, *facts) == []


@pytest.mark.parametrize(
    ("main", "facts"),
    [
        ("include: nowhere/*.yaml", ("include:", "'nowhere/*.yaml'")),
        ("include: {a: b}", ("include: {'a':", "'b'", "[models/*.yaml]")),
        ("tiers: {4: {}}", ("tiers:", "'4'", "use 1")),
        ("tiers: {1: {tier: 2}}", ("tiers: 1:",)),
        ("tiers: {1: {windws: [1d]}}\nmodels: {x: {tier: 1}}", ("tiers: 1.windws:",)),
        ("tiers: [1]", ("tiers:", "{1", "{windows", "[1h]")),
    ],
)
def test_what_is_wrong_with_tiers_and_patterns_is_said_once(tmp_path: Path, main: str, facts: Facts) -> None:
    (said,) = [*map(str, validate_file(written(tmp_path, main)))]
    assert lacking(said, *facts) == []
