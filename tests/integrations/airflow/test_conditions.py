"""What a sensor waits for, without Airflow."""

from __future__ import annotations

import json
from typing import Any

import pytest
from driftline_integrations.airflow.conditions import Condition, newest_window


def window(end: int, share: float | None = None, coverage: float | None = None, rows: int = 0, days: int = 1) -> Any:
    closed = {
        "start": f"2026-03-{end - days:02d}T00:00:00Z",
        "end": f"2026-03-{end:02d}T00:00:00Z",
        "drift": {"fraction": share},
        "outcomes": {"rows": rows, "coverage": coverage},
    }
    return {"closed": closed}


def model(state: str | None, *versions: dict[str, Any], in_use: bool = True) -> dict[str, Any]:
    verdict = None if state is None else {"state": state}
    return {"verdict": verdict, "versions": [{"in_use": in_use, "windows": one} for one in versions]}


@pytest.mark.parametrize(
    ("asked", "held"),
    [
        ({"states": "degraded"}, True),
        ({"states": ("healthy", "at_risk")}, False),
        ({"states": "degraded", "drift_fraction": 0.3}, True),
        ({"states": "degraded", "drift_fraction": 0.31}, False),
        ({"coverage": 0.9}, False),
        ({"outcomes": 80}, True),
        ({"outcomes": 81}, False),
    ],
)
def test_all_that_is_asked_must_hold(asked: dict[str, Any], held: bool) -> None:
    nothing = {"states": (), "drift_fraction": None, "coverage": None, "outcomes": None, "window": ""}
    condition = Condition.read(**{**nothing, **asked})
    travelled = json.loads(json.dumps(condition.to_json()))

    assert condition.holds(model("degraded", {"1d": window(9, 0.3, 0.8, 80)}))[0] is held
    assert Condition(**{**travelled, "states": tuple(travelled["states"])}) == condition


def test_what_is_not_known_holds_nothing_back_in_words() -> None:
    condition = Condition(("healthy",), drift_fraction=0.1)

    assert condition.holds({}) == (
        False,
        "the verdict is not available yet, fraction of drifted features: unknown, required 0.1",
    )
    assert condition.holds(model(None, {"1d": {"closed": None}}))[0] is False


def test_the_newest_window_of_versions_in_use_counts_the_longest_of_those_that_end_together() -> None:
    found = model("healthy", {"1d": window(9)}, {"1h": window(8), "1w": window(9, days=7), "1d": window(9)})

    assert newest_window(found) == window(9, days=7)["closed"]
    assert newest_window(found, "1h") == window(8)["closed"]
    assert newest_window(model("healthy", {"1d": window(9)}, in_use=False)) is None


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ("rong", "'rong' is not a state of a verdict; the states are healthy, degraded"),
        ((), "there is no condition to wait for"),
    ],
)
def test_a_condition_that_can_never_be_meant_is_refused(states: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Condition.read(states, None, None, None, "")
