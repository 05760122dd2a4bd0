"""Policies replayed over models: which are about a model, and which are held back."""

from __future__ import annotations

from typing import Any

from driftline.tables.table import ModelKey
from driftline_processor.config.policies import read_policies
from driftline_processor.policy.replay import replay_policies, replayed_model, watched_models

from tests.support.policy_watch import model
from tests.support.verdict_windows import right, value, wrong

WINDOWS = [
    *(right(day) for day in range(5)),
    *(wrong(day, clear=True, realized={"accuracy": value(0.6)}) for day in range(5, 9)),
]


def replay(policies: dict[str, Any], tier: int | None = None) -> dict[str, Any]:
    one = replayed_model(ModelKey("churn", "2"), tier, {"1d": WINDOWS}, "UTC")
    return replay_policies(read_policies(policies), [one])


def test_the_default_policy_and_those_that_are_written_are_replayed() -> None:
    [found] = replay({"low": {"when": "accuracy < 70 %"}})["models"]
    assert (found["model"], found["version"], [one["policy"] for one in found["policies"]]) == (
        *("churn", "2"),
        ["health", "low"],
    )
    assert [one["firings"][0]["state"] for one in found["policies"]] == ["degraded", None]
    low = found["policies"][1]
    assert (low["window"], low["windows"], low["since"], low["until"]) == (
        *("1d", 9),
        *("2013-07-01T00:00:00Z", "2013-07-10T00:00:00Z"),
    )
    assert low["firings"] == [
        {
            "fired": "2013-07-07T00:00:00Z",
            "since": "2013-07-06T00:00:00Z",
            "until": None,
            "state": None,
            "finding": "accuracy is 60 %, below 70 %",
            "held_back_by": [],
        }
    ]


def test_a_policy_is_held_back_while_another_fires_that_it_names() -> None:
    found = replay({"low": {"when": "accuracy < 70 %", "unless": ["health"]}})["models"][0]["policies"]
    assert found[1]["firings"][0]["held_back_by"] == ["health"]


def test_policies_of_other_models_and_tiers_are_named_and_not_replayed() -> None:
    policies = {
        "health": {"enabled": False},
        "fraud": {"when": "accuracy < 70 %", "models": ["fraud"]},
        "first": {"when": "accuracy < 70 %", "tiers": [1]},
    }
    assert replay(policies, 1)["about_no_model"] == ["fraud"]
    assert replay(policies)["about_no_model"] == ["fraud", "first"]
    assert replay(policies)["models"][0]["policies"] == []


def test_a_length_without_windows_has_no_firings_and_says_which_there_are() -> None:
    found = replay({"low": {"when": "accuracy < 70 %", "window": "1h"}})["models"][0]["policies"][1]
    assert (found["window"], found["windows"], found["known_windows"], found["firings"]) == ("1h", 0, ["1d"], [])


def test_versions_that_nobody_acts_on_are_not_watched() -> None:
    views = [model(WINDOWS, "late"), model(WINDOWS, "shadow", shadow=True), model(WINDOWS, "gone", retired=True)]
    assert [one.key.model for one in watched_models(views)] == ["late"]
    assert watched_models(views, "other") == []
