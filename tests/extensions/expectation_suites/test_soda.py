"""Soda's checks become expectations of ours; what cannot be is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from driftline_extensions.expectation_suites.soda import SUPPORTED, read_checks
from driftline_extensions.expectation_suites.suite import to_yaml
from driftline_processor.cli.commands import app
from driftline_processor.config.schema import load
from typer.testing import CliRunner

CHECKS = """
checks for orders:
  - row_count > 0
  - row_count between 100 and 500000
  - freshness(created_at) < 1d
  - missing_count(birthday) = 0
  - missing_percent(phone) < 5 %
  - missing_percent(city):
      name: the city is known
      warn: when > 5%
      fail: when > 10%
  - invalid_percent(mail) = 0:
      valid format: email
  - invalid_count(country) = 0:
      valid values: [US, no, 01]
  - invalid_percent(age) < 3%:
      valid min: 0
      valid max: 120
  - invalid_percent(code) <= 1.5:
      valid regex: ^[A-Z]+$
  - invalid_count(zip) = 0:
      valid length: 5
      invalid values: ['00000']
  - duplicate_count(id) = 0
  - duplicate_percent(token) = 0
  - min(amount) > 0
  - max(amount) between 0 and 12e3
  - avg(size) >= 1
  - stddev(size) <= 10
  - schema:
      fail:
        when required column missing: [id, tenure]
"""

LEFT_OUT = [
    ("missing_percent(mail) < 5%:\n      missing values: [N/A]", "'missing values' is not supported"),
    ("missing_count(mail) < 5", "depends on the size of the data"),
    ("duplicate_count(a, b) = 0", "it has several columns"),
    ("duplicate_percent(a) < 1%", "only the limit '= 0' can be imported"),
    ("values in (country) must exist in countries (code)", "another dataset is not supported"),
    ("anomaly detection for row_count", "Driftline has no such check"),
    ("schema:\n      warn:\n        when forbidden column present: [ssn]", "only 'when required column missing'"),
    ("failed rows:\n      fail condition: x > 1", "Driftline has no such check"),
    ("invalid_count(x) = 0", "the rules for valid values are missing"),
    ("invalid_percent(x) < 5%:\n      valid min: 0\n      valid length: 3", "several rules that share one limit"),
    ("invalid_percent(x) = 0:\n      valid format: phone number", "the format 'phone number' is not supported"),
    ("max(born) < 2020-01-01", "is not a condition"),
    ("min(x) != 3", "is not a condition"),
    ("row_count > 5:\n      filter: x = 1", "'filter' is not supported"),
]


def test_checks_become_a_valid_configuration_that_says_the_same(tmp_path: Path) -> None:
    imported = read_checks(CHECKS)
    assert (imported.name, imported.left_out) == ("orders", [])
    (tmp_path / "driftline.yaml").write_text(to_yaml(imported, "orders", "checks.yml"))
    rules = load(tmp_path / "driftline.yaml").models["orders"].expectations
    assert [rule.text for rule in rules.rows] == ["rows: [100, 500000]", "freshness: 1d"]
    assert {name: [rule.text for rule in own] for name, own in rules.features.items()} == {
        "birthday": ["missing: <= 0%"],
        "phone": ["missing: < 5%"],
        "city": ["missing: <= 10%"],
        "mail": [r"pattern: ^[^@\s]+@[^@\s]+\.[^@\s]+$"],
        "country": ["values: [US, no, 01]"],
        "age": ["range: [0, 120], mostly: > 97%"],
        "code": ["pattern: ^[A-Z]+$, mostly: 98.5%"],
        "zip": ["not_values: [00000]", "length: [5, 5]"],
        "id": ["exists: true", "unique: >= 100%"],
        "token": ["unique: >= 100%"],
        "amount": ["min: [4.94066e-324, null]", "max: [0, 12000]"],
        "size": ["mean: [1, null]", "stddev: [null, 10]"],
        "tenure": ["exists: true"],
    }


def test_every_named_metric_is_tried() -> None:
    assert {metric for metric in SUPPORTED if f"- {metric}" in CHECKS} == SUPPORTED


@pytest.mark.parametrize(("check", "why"), LEFT_OUT)
def test_what_cannot_be_read_is_named_with_its_line_and_the_reason(check: str, why: str) -> None:
    imported = read_checks(f"checks for orders:\n  - missing_count(id) = 0\n  - {check}\n")
    assert imported.check_count == 1
    [left_out] = imported.left_out
    assert (left_out.line, left_out.name) == (3, check.split("\n")[0].removesuffix(":"))
    assert why in left_out.reason


def test_checks_of_other_datasets_and_parts_are_not_taken_for_all_rows() -> None:
    text = "filter orders [today]:\n  where: x\nchecks for orders [today]:\n  - row_count > 0\n"
    text += "checks for orders:\n  - min(x) > 1"
    imported = read_checks(text)
    assert [(one.line, one.name) for one in imported.left_out] == [(1, "filter orders [today]"), (4, "row_count > 0")]
    assert list(imported.features) == ["x"]
    two = text + "\nchecks for customers:\n  - row_count > 7\n"
    with pytest.raises(ValueError, match=r"^has checks for orders, customers; choose one dataset with --dataset"):
        read_checks(two)
    assert read_checks(two, "customers").rows == {"rows": [8, None]}
    with pytest.raises(ValueError, match=r"'x'.*orders, customers"):
        read_checks(two, "x")


@pytest.mark.parametrize("text", ["a: [", "[]", "", "models: {}"])
def test_what_is_no_file_of_checks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not valid YAML|has no checks"):
        read_checks(text)


def test_the_command_writes_a_file_that_validate_takes(tmp_path: Path) -> None:
    (tmp_path / "checks.yml").write_text(CHECKS + "  - failed rows:\n      fail condition: x > 1\n")
    out = tmp_path / "driftline.yaml"
    result = CliRunner().invoke(app, ["expectations", "import", str(tmp_path / "checks.yml"), "-o", str(out)])
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        f"driftline: {tmp_path}/checks.yml:33: failed rows: left out: Driftline has no such check",
        f"driftline: {out}: 18 checks read, 1 left out",
    ]
    assert CliRunner().invoke(app, ["validate", str(out)]).exit_code == 0
