"""YAML files that mean more than they say, or what no file can hold: refused in a sentence, at once."""

from __future__ import annotations

import pytest
from driftline_processor.config.section import Problem
from driftline_processor.config.yaml_loader import MOST_VALUES, parse_yaml

ALIASES = "a0: &a0 [x, x]\n" + "".join(f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 9)}]\n" for at in range(1, 9))
MERGED = "a0: &a0 {x: 1}\n" + "".join(
    f"a{at}: &a{at} {{<<: [{', '.join([f'*a{at - 1}'] * 9)}]}}\n" for at in range(1, 9)
)


@pytest.mark.parametrize("text", [ALIASES, MERGED])
def test_aliases_that_mean_billions_of_values_are_refused(text: str) -> None:
    problems: list[Problem] = []
    assert parse_yaml(text, {}, problems) is None
    assert [*map(str, problems)] == [
        f"line 1, column 1: its aliases expand to more than {MOST_VALUES:,} values; use fewer aliases"
    ]


def test_an_alias_is_what_it_stands_for() -> None:
    assert parse_yaml("a: &a {x: [1]}\nb: *a\nc: {<<: *a, y: 2}", {}, []) == {
        "a": {"x": [1]},
        "b": {"x": [1]},
        "c": {"x": [1], "y": 2},
    }


@pytest.mark.parametrize("text", ['models: {"\\ud800": {}}', 'models: {a: "\\ud800"}'])
def test_half_a_character_is_refused_with_its_place(text: str) -> None:
    problems: list[Problem] = []
    assert parse_yaml(text, {}, problems) is None
    column = text.index('"') + 1
    assert [*map(str, problems)] == [
        f"line 1, column {column}: a string contains an unpaired surrogate, which is not valid text; "
        "use the whole character"
    ]


def test_a_value_that_holds_itself_is_refused() -> None:
    problems: list[Problem] = []
    assert parse_yaml("a: &a [*a]", {}, problems) is None
    assert [*map(str, problems)] == ["line 1, column 4: found unconstructable recursive node"]
