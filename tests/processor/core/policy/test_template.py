"""Templates hold facts of a message and nothing else, and a fact is never read as one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from driftline_processor.core.policy.template import (
    FACTS,
    LINKS,
    check_template,
    facts_for_templates,
    fill_text,
    fill_tree,
)
from driftline_processor.present.alerts import Notification, message_facts

HOSTILE = '{model} "} ${env:HOME} {{x}}'


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{modl}", "did you mean 'model'?"),
        ("{model.__class__}", "has more than a name in braces"),
        ("{model[0]}", "has more than a name in braces"),
        ("{model!r}", "has more than a name in braces"),
        ("{model:>99999999}", "has more than a name in braces"),
        ("{0}", "{0} is not a placeholder"),
        ("{}", "has more than a name in braces"),
        ("{model", "has an unmatched brace"),
        ({"a": [{"b": "{modl}"}]}, "did you mean 'model'?"),
        ({1: "x"}, "the key 1 is not a string"),
    ],
)
def test_what_is_no_fact_is_an_error(template: Any, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        check_template(template)


def test_a_tree_that_is_too_deep_is_an_error() -> None:
    tree: Any = "x"
    for _ in range(21):
        tree = [tree]
    with pytest.raises(ValueError, match="deeper than 20"):
        check_template(tree)


def test_a_hostile_name_stays_a_text() -> None:
    facts = {"model": HOSTILE}
    assert fill_text("<{model}> {{model}}", facts) == f"<{HOSTILE}> {{model}}"
    assert fill_tree({"{model}": "{model}", "in": "of {model}"}, facts) == {"{model}": HOSTILE, "in": f"of {HOSTILE}"}


def test_a_placeholder_alone_keeps_the_type_of_its_fact() -> None:
    facts = {"tier": 1, "until": None}
    assert fill_tree(["{tier}", "{until}", "{tier}.", "{until}."], facts) == [1, None, "1.", "."]


def test_a_fact_is_quoted_as_its_place_wants() -> None:
    assert fill_text("/models/{model}", {"model": "a b"}, str.upper) == "/models/A B"


def test_every_fact_that_templates_may_name_is_one_of_a_message() -> None:
    told = Notification(
        *("opened", "a", "health", "", "churn", "7", "", "critical", "payments", 1, 0, None, "It is wrong", False),
        verdict=None,
        timezone="UTC",
        links={"page": "http://127.0.0.1/"},
    )
    facts = message_facts(told, "degraded")
    assert {*facts} | {"id"} >= {*FACTS}
    named = facts_for_templates("a-1", facts)
    assert {*named} == {*FACTS, *LINKS}
    assert (named["id"], named["page"], named["trace"]) == ("a-1", "http://127.0.0.1/", "")
