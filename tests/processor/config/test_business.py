"""Business series in the configuration: names, and what policies ask of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from driftline_processor.config.schema import load, validate_file
from driftline_processor.core.decode.business_points import BusinessMetric

from tests.support.facts import Facts, lacking

BUSINESS = "business: {conversion: {metric: shop.conversion, model: churn}}\nmodels: {churn: {}}\n"


def problems(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "driftline.yaml"
    file.write_text(text, encoding="utf-8")
    return [*map(str, validate_file(file))]


def test_a_series_is_read_with_its_defaults(tmp_path: Path) -> None:
    file = tmp_path / "driftline.yaml"
    file.write_text(BUSINESS, encoding="utf-8")
    found = load(file).business["conversion"]
    assert found.keys("conversion") == ("conversion", "churn", "", "mean", "shop.conversion")
    assert found.wanted("conversion") == BusinessMetric("conversion")


@pytest.mark.parametrize(
    ("when", "facts"),
    [
        ("business convertion < 2 %", ("'convertion'", "'conversion'")),
        ("{all: [features drift, business revenue < 5]}", ("'revenue'",)),
        ("business conversion < baseline - 0.1", ("a baseline does not contain business conversion",)),
        ("business conversion < 2 in country=NL", ("whole business", "country=NL")),
    ],
)
def test_a_policy_that_asks_for_another_series_is_an_error_with_the_nearest_name(
    tmp_path: Path, when: str, facts: Facts
) -> None:
    (problem,) = problems(tmp_path, f"{BUSINESS}policies: {{sales: {{when: {when}}}}}\n")
    assert problem.startswith("policies.sales.when")
    assert lacking(problem, *facts) == []


def test_a_policy_may_ask_for_its_series(tmp_path: Path) -> None:
    when = "{all: [features drift, business conversion < 0.9 * last week]}"
    assert problems(tmp_path, f"{BUSINESS}policies: {{sales: {{when: {when}}}}}\n") == []


@pytest.mark.parametrize(
    ("series", "facts"),
    [
        ("{metric: shop.conversion, model: chrun}", ("business.conversion.model:", "'chrun'")),
        ("{model: churn}", ("business.conversion: has no source",)),
        ("{metric: shop.conversion}", ("business.conversion.model: is missing",)),
        ("{metric: shop.conversion, model: churn, aggregation: median}", ("business.conversion.aggregation",)),
    ],
)
def test_what_is_wrong_with_a_series_is_said_with_its_key(tmp_path: Path, series: str, facts: Facts) -> None:
    (problem,) = problems(tmp_path, f"models: {{churn: {{}}}}\nbusiness: {{conversion: {series}}}\n")
    assert lacking(problem, *facts) == []


def test_a_name_that_conditions_could_not_say_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, 'business: {"a b < 3": {metric: x, model: churn}}\n')
    assert problem.startswith("business")
