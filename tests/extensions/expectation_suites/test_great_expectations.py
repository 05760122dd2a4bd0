"""Suites of Great Expectations, of 0.x and 1.x, become expectations of ours; what cannot be is named with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from driftline_extensions.expectation_suites.great_expectations import READERS, read_suite
from driftline_extensions.expectation_suites.suite import to_yaml
from driftline_processor.cli.commands import app
from driftline_processor.config.expectations import ExpectFeature
from driftline_processor.config.schema import load
from driftline_processor.config.section import Problem
from driftline_processor.config.yaml_loader import parse_yaml
from driftline_processor.core.expectations.rule import Expectations
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

CHECKS: list[tuple[str, dict[str, Any]]] = [
    ("expect_column_to_exist", {"column": "age"}),
    ("expect_column_values_to_not_be_null", {"column": "age", "mostly": 0.95}),
    ("expect_column_values_to_be_between", {"column": "age", "min_value": 0, "max_value": 120, "mostly": 0.99}),
    ("expect_column_values_to_be_of_type", {"column": "age", "type_": "int64"}),
    ("expect_column_mean_to_be_between", {"column": "age", "min_value": 30, "max_value": None}),
    ("expect_column_min_to_be_between", {"column": "age", "min_value": 0, "strict_min": True}),
    ("expect_column_max_to_be_between", {"column": "age", "max_value": 130}),
    ("expect_column_stdev_to_be_between", {"column": "age", "min_value": 1, "max_value": 30.5}),
    ("expect_column_values_to_be_in_set", {"column": "country", "value_set": ["NO", "no", 17, True]}),
    ("expect_column_values_to_not_be_in_set", {"column": "country", "value_set": ["", "$$", "${x}"]}),
    ("expect_column_values_to_be_in_type_list", {"column": "country", "type_list": ["str", "VARCHAR(20)"]}),
    ("expect_column_values_to_match_regex", {"column": "code", "regex": "^[A-Z]{2}: .+$", "mostly": 0.9}),
    ("expect_column_value_lengths_to_be_between", {"column": "code", "min_value": 2, "max_value": 8}),
    ("expect_column_value_lengths_to_equal", {"column": "zip", "value": 5}),
    ("expect_column_values_to_be_unique", {"column": "order"}),
    ("expect_column_values_to_be_null", {"column": "legacy", "mostly": 0.5}),
    ("expect_table_row_count_to_be_between", {"min_value": 100, "max_value": 10_000}),
    ("expect_table_columns_to_match_set", {"column_set": ["age", "tenure"], "exact_match": False}),
]
LEFT_OUT: list[tuple[str, dict[str, Any], str]] = [
    (
        "expect_column_kl_divergence_to_be_less_than",
        {"column": "age", "threshold": 0.1},
        "Driftline has no such expectation",
    ),
    ("expect_column_values_to_be_unique", {"column": "order", "mostly": 0.9}, "Driftline counts distinct values"),
    ("expect_column_values_to_be_between", {"column": "born", "min_value": "2020-01-01"}, "is not a number"),
    (
        "expect_column_values_to_not_be_null",
        {"column": "x", "row_condition": "y > 0"},
        "'row_condition' is not supported",
    ),
    ("expect_table_columns_to_match_set", {"column_set": ["age"]}, "use exact_match: false"),
    ("expect_column_values_to_match_regex", {"column": "x", "regex": "("}, "Python cannot parse the expression"),
    ("expect_column_values_to_match_regex", {"column": "x", "regex": "(?=x)x"}, "RE2 has no look-around"),
    ("expect_column_values_to_be_in_set", {"column": "age", "value_set": []}, "must be a list of plain values"),
    ("expect_column_values_to_be_of_type", {"column": "x", "type_": "DATETIME"}, "not one of number, whole"),
]


def suite(version: str, checks: list[tuple[str, dict[str, Any]]]) -> str:
    key = "type" if version == "1.x" else "expectation_type"
    name: dict[str, Any] = (
        {"name": "orders"} if version == "1.x" else {"expectation_suite_name": "orders", "data_asset_type": None}
    )
    extra: dict[str, Any] = {"id": "0b9c", "severity": "critical"} if version == "1.x" else {"meta": {}}
    written = [{key: kind, "kwargs": kwargs, **extra} for kind, kwargs in checks]
    meta = {"great_expectations_version": "1.5.0" if version == "1.x" else "0.18.22"}
    return json.dumps({**name, "expectations": written, "meta": meta}, indent=2)


def rules_of(text: str, folder: Path, model: str) -> Expectations:
    (folder / "driftline.yaml").write_text(text, encoding="utf-8")
    return load(folder / "driftline.yaml").models[model].expectations


@pytest.mark.parametrize("version", ["0.x", "1.x"])
def test_a_suite_becomes_a_valid_configuration_that_says_the_same(version: str, tmp_path: Path) -> None:
    imported = read_suite(suite(version, CHECKS))
    assert (imported.name, imported.left_out, imported.check_count) == ("orders", [], len(CHECKS))
    rules = rules_of(to_yaml(imported, "orders", "suite.json"), tmp_path, "orders")
    assert [rule.text for rule in rules.rows] == ["rows: [100, 10000]"]
    assert {name: [rule.text for rule in own] for name, own in rules.features.items()} == {
        "age": [
            "exists: true",
            "missing: <= 5%",
            "type: whole",
            "range: [0, 120], mostly: 99%",
            "min: [4.94066e-324, null]",
            "max: [null, 130]",
            "mean: [30, null]",
            "stddev: [1, 30.5]",
        ],
        "country": ["type: text", "values: [NO, no, 17, 1]", "not_values: [, $$, ${x}]"],
        "code": ["length: [2, 8]", "pattern: ^[A-Z]{2}: .+$, mostly: 90%"],
        "zip": ["length: [5, 5]"],
        "order": ["unique: >= 100%"],
        "legacy": ["missing: >= 50%"],
        "tenure": ["exists: true"],
    }


def test_every_named_expectation_is_tried() -> None:
    assert {name for name, _ in CHECKS} | {"expect_table_row_count_to_equal"} == set(READERS)
    imported = read_suite(suite("1.x", [("expect_table_row_count_to_equal", {"value": 7})]))
    assert imported.rows == {"rows": [7, 7]}


@pytest.mark.parametrize("version", ["0.x", "1.x"])
def test_what_cannot_be_read_is_named_with_its_line_and_the_reason(version: str) -> None:
    text = suite(version, [*CHECKS[:2], *((name, kwargs) for name, kwargs, _ in LEFT_OUT)])
    imported = read_suite(text)
    assert imported.check_count == 2
    lines = text.splitlines()
    for left_out, (name, kwargs, why) in zip(imported.left_out, LEFT_OUT, strict=True):
        assert left_out.name.partition("(")[0] == name
        assert kwargs.get("column", "") in left_out.name
        assert why in left_out.reason
        assert f'"{name}"' in lines[left_out.line - 1]
    assert len({left_out.line for left_out in imported.left_out}) == len(LEFT_OUT)


def test_two_ranges_of_one_column_are_one_and_what_contradicts_is_left_out() -> None:
    between = "expect_column_values_to_be_between"
    checks = [
        (between, {"column": "x", "min_value": low, "max_value": high}) for low, high in ((0, 9), (2, None), (20, 30))
    ]
    imported = read_suite(suite("1.x", checks))
    assert imported.features == {"x": {"range": [2, 9]}}
    assert [one.reason for one in imported.left_out] == [
        "another check already expects range: [2, 9]; keep one of the two"
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not valid JSON: "),
        ("[" * 100_000, "is not valid JSON: "),
        *((text, "the list 'expectations' is missing") for text in ("[]", '{"expectations": 3}', '"x"')),
    ],
)
def test_what_is_no_suite_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_suite(text)


def test_odd_expectations_never_stop_the_others() -> None:
    odd = '{"name": "x", "expectations": [3, {}, {"type": 7, "kwargs": null}, {"type": "expect_column_to_exist"}]}'
    imported = read_suite(odd)
    assert imported.check_count == 0
    assert len(imported.left_out) == 4


def test_the_command_prints_yaml_and_names_what_it_left_out(tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_text(suite("1.x", [CHECKS[0], (LEFT_OUT[0][0], LEFT_OUT[0][1])]))
    result = CliRunner().invoke(app, ["expectations", "import", str(tmp_path / "suite.json"), "--model", "churn"])
    assert result.exit_code == 0
    said = f"driftline: {tmp_path}/suite.json:13: expect_column_kl_divergence_to_be_less_than(age): left out: "
    assert said in result.stderr
    assert rules_of(result.stdout, tmp_path, "churn").features["age"][0].kind == "exists"
    assert "# suite.json:13: expect_column_kl_divergence_to_be_less_than(age): left out:" in result.stdout


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\x85\u2028\u2029\ufeff"), max_size=12)


@pytest.mark.slow
@given(TEXT.filter(bool), st.lists(TEXT, min_size=1, unique=True), st.floats(0.01, 0.99))
def test_whatever_names_and_values_are_they_are_read_back(name: str, values: list[str], mostly: float) -> None:
    kwargs = {"column": name, "value_set": values, "mostly": round(mostly, 4)}
    imported = read_suite(suite("1.x", [("expect_column_values_to_be_in_set", kwargs)]))
    problems: list[Problem] = []
    tree: Any = parse_yaml(to_yaml(imported, "m", "x"), {}, problems)
    assert problems == []
    written = tree["models"]["m"]["features"]
    assert list(written) == [name]
    [rule] = ExpectFeature.model_validate(written[name]["expect"]).rules(name)
    assert rule.values == tuple(values)
    assert rule.limit.number == pytest.approx(round(mostly, 4), abs=1e-12)
