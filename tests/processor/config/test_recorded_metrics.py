"""``models.NAME.metrics``: what may be written, and what is said of what may not."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
from driftline.semconv import metrics as m
from driftline_processor.config.schema import load, validate_file
from driftline_processor.core.decode.foreign_metrics import MetricMapping

from tests.support.paths import ROOT

GOOD = """
models:
  pricing:
    task: binary
    metrics:
      order.amount: {feature: amount, match: {tier: 1, eu: true}, environment_attribute: site}
      order.plan: {feature: plan, category_attribute: plan, version_attribute: service.version}
      order.latency: {duration: true}
      churn.score: {score: true}
      values: {feature_attribute: driftline.feature.name}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "driftline.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_metrics_are_read_as_they_are_written(tmp_path: Path) -> None:
    model = load(write(tmp_path, GOOD)).models["pricing"]
    assert model.mapped("pricing") == (
        MetricMapping(
            "order.amount",
            "pricing",
            m.DRIFTLINE_FEATURE_DISTRIBUTION,
            "amount",
            match={"tier": "1", "eu": "true"},
            environment_attribute="site",
        ),
        MetricMapping(
            "order.plan",
            "pricing",
            m.DRIFTLINE_FEATURE_CATEGORIES,
            "plan",
            category_attribute="plan",
            version_attribute="service.version",
        ),
        MetricMapping("order.latency", "pricing", m.ML_PREDICT_DURATION),
        MetricMapping("churn.score", "pricing", m.DRIFTLINE_PREDICTION_SCORE, rows=True),
        MetricMapping(
            "values", "pricing", m.DRIFTLINE_FEATURE_DISTRIBUTION, feature_attribute="driftline.feature.name"
        ),
    )


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("{a: {feature: x}, b: {feature: y}}", "a"),
        ("{a: {feature: x}, b: {duration: true}}", "b"),
        ("{a: {duration: true}, b: {class_attribute: late}}", "b"),
        ("{a: {score: true}, b: {feature: y, rows: true}}", "b"),
        ("{a: {feature_attribute: f, rows: age}}", "a"),
    ],
)
def test_one_metric_says_how_many_rows_there_were(tmp_path: Path, text: str, rows: str) -> None:
    model = load(write(tmp_path, f"models: {{p: {{task: binary, metrics: {text}}}}}")).models["p"]
    assert [one.name for one in model.mapped("p") if one.rows] == [rows]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "{a: }",
            "a: needs a key that says what the metric contains; add one of feature, feature_attribute, score, "
            "class_attribute, dur",
        ),
        (
            "{a: {feature: x, duration: true}}",
            "a: has the keys feature and duration; a metric may have only one of these",
        ),
        ("{a: {feture: x}}", "a.feture: there is no such key; did you mean 'feature'?"),
        (
            "{a: {feature: x}, b: {feature: x}}",
            "b: contains x, but a contains the same, so every row would count twice; remove one of",
        ),
        (
            "{a: {feature: x, rows: y}}",
            "a.rows: 'y' is the name of a feature, but the metric has no feature_attribute; use 'row",
        ),
        ("{a: {feature_attribute: f}}", "a.rows: no metric gives the number of rows; set it to a feature that"),
        (
            "{a: {feature_attribute: f, rows: true}}",
            "a.rows: is true, but the metric has several features; use the name of a feature",
        ),
        (
            "{a: {duration: true, gauge: true}}",
            "a.gauge: a gauge has one value for many rows, so it cannot give the duration",
        ),
        ("{a: {score: true}}", "a.score: needs the model's task; add it next to metrics"),
        ("{a: {class_attribute: c, category_attribute: c}}", "a.category_attribute: needs the name of the feature"),
        ("{a: {feature: x, rows: true}, b: {feature: y, rows: true}}", "b.rows: a already gives the number of rows"),
        ("[order.amount]", "metrics"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_key_rule_and_fix(tmp_path: Path, text: str, problem: str) -> None:
    problems = [*map(str, validate_file(write(tmp_path, f"models: {{p: {{metrics: {text}}}}}")))]
    assert any(found.startswith(f"models.p.metrics.{problem}") for found in problems) or (
        problem == "metrics" and problems[0].startswith("models.p.metrics: ")
    ), problems
    assert len(problems) == 1, problems


def test_two_metrics_may_hold_one_feature_where_they_are_told_apart(tmp_path: Path) -> None:
    text = "{a: {feature: x, match: {site: lyon}}, b: {feature: x, match: {site: rome}}}"
    assert [*map(str, validate_file(write(tmp_path, f"models: {{p: {{metrics: {text}}}}}")))] == []


def test_the_recipe_of_the_documentation_is_taken_as_it_stands(tmp_path: Path) -> None:
    page = (ROOT / "docs/instrument/other-languages.md").read_text(encoding="utf-8")
    recipe = textwrap.dedent(page.partition("```yaml\n")[2].partition("```")[0])
    path = write(tmp_path, recipe)
    assert [*map(str, validate_file(path))] == []
    names = {one.name for one in load(path).models["pricing"].mapped("pricing")}
    recorded = set(re.findall(r'create_\w+\("([^"]+)"', page.partition("```python\n")[2]))
    assert recorded == {"order.amount", "churn.score", "order.plan"} == names - {"order.latency"}
