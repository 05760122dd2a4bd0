"""Two short worlds, walked page by page: a fall, and calls that fail; the long ones are in tests/end_to_end.

The rules are tested with statements made by hand: each fires on a contradiction, and on nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.contradiction_rules import RULES
from tests.support.planted_worlds import World
from tests.support.surfaces import NOW, Statement
from tests.support.walks import FILES, SHOWN, Walk, walk

SHORT = {
    "a fall": World(steps=4, concept=range(2, 4)),
    "failing calls": World(
        steps=4, failing=range(2, 3), keys={"performance": {"objectives": ["availability >= 99 %"]}}
    ),
}


@pytest.mark.parametrize("name", SHORT)
def test_no_two_surfaces_of_a_short_world_contradict_each_other(name: str, tmp_path: Path) -> None:
    found = walk("walked", SHORT[name], tmp_path, files=False)
    assert {rule.name: sentences for rule in RULES if (sentences := [*rule.broken(found)])} == {}


A_DAY, THE_NEXT = "1d 2026-03-04T00:00:00Z", "1d 2026-03-05T00:00:00Z"
FALL = "2026-03-04T00:00:00Z"
API = f"{SHOWN}: API models"

FIRST = {"role": "cause", "subject": "missing:age", "until": None}
SECOND = {"role": "joined", "subject": "recoded:plan", "until": None}
CONSISTENT = {
    "statements": [
        *(Statement("card", moment, "state", "degraded") for moment in (A_DAY, THE_NEXT)),
        *(Statement("card", moment, "since", "2026-03-04") for moment in (A_DAY, THE_NEXT)),
        Statement("strip", A_DAY, "state", "degraded"),
        Statement("API model", NOW, "state", "degraded"),
        Statement("API model", NOW, "since", FALL),
        Statement("API model, headline", NOW, "headline", "Degraded since 4 March 2026"),
        Statement("overview", NOW, "headline", "Degraded since 4 March 2026"),
        Statement("overview", NOW, "advice", "Recalibrate the model."),
        Statement("alert", NOW, "open alert", "degraded"),
        Statement("incident verdict", NOW, "open verdict incident", "degraded"),
        Statement("incident verdict", NOW, "episode", (FALL, None, "degraded")),
        Statement("incident drift", NOW, "since of plan", THE_NEXT[3:]),
        Statement("tables", NOW, f"mae of {FALL} to {THE_NEXT[3:]}", 2.5512, 1e-9),
        Statement("API evaluations", A_DAY, "state of mae <= 1", "broken"),
    ],
    "shown": [
        Statement(API, A_DAY, "state", "degraded"),
        Statement(API, A_DAY, "since", FALL),
        Statement(API, A_DAY, "headline", "Degraded on 4 March 2026"),
        Statement(API, A_DAY, "period end", "2026-03-05T00:00:00Z"),
    ],
    "messages": [Statement("message opened", A_DAY, "state", "degraded")],
    "bodies": [
        {"kind": "opened", "title": "", "findings": [FIRST]},
        {"kind": "joined", "title": "", "findings": [FIRST, SECOND]},
        {"kind": "recovered", "title": "", "findings": [{**FIRST, "until": "2026-03-04"}, SECOND]},
    ],
    "files": {files: [Statement(files, NOW, "state", "degraded")] for files in FILES},
}


def made(world: World = SHORT["a fall"], **more: Any) -> Walk:
    """Return a walk without contradictions, with further statements."""
    lists = {key: [*CONSISTENT[key], *more.get(key, [])] for key in CONSISTENT if key != "files"}  # type: ignore[misc]
    return Walk(world, files={**CONSISTENT["files"], **more.get("files", {})}, **lists)  # type: ignore[dict-item]


BROKEN: dict[str, Walk] = {
    "one state now": made(statements=[Statement("home", NOW, "state", "healthy")]),
    "one state as of a window": made(statements=[Statement("strip", THE_NEXT, "state", "unknown")]),
    "one state at the end of windows of any length": made(
        statements=[Statement("card", "1h 2026-03-04T23:00:00Z", "state", "at_risk")]
    ),
    "one begin of the state": made(statements=[Statement("alert", NOW, "since", "2026-03-04T08:00:00Z")]),
    "one begin and one end per finding": made(
        statements=[Statement("card, causes", NOW, "since of plan", "2026-03-04")]
    ),
    "an episode keeps its begin": made(
        statements=[
            Statement("card", "1d 2026-03-03T00:00:00Z", "state", "degraded"),
            Statement("card", "1d 2026-03-03T00:00:00Z", "since", "2026-03-05"),
        ]
    ),
    "a planted fault has its date": made(statements=[Statement("alert", NOW, "since", "2026-03-03T08:00:00Z")]),
    "what is broken has the begin of the verdict": made(
        statements=[Statement("incident objective", NOW, "broken", (THE_NEXT[3:], None, "mae <= 1"))]
    ),
    "a healthy world is not degraded": made(World(steps=4)),
    "the past stays as it was shown": made(shown=[Statement(API, THE_NEXT, "state", "healthy")]),
    "one headline now": made(statements=[Statement("report", NOW, "headline", "Degraded on 4 March 2026")]),
    "one headline as of a window": made(
        statements=[Statement(surface, A_DAY, "headline", surface) for surface in ("card", "report")]
    ),
    "one figure per metric and window": made(
        statements=[Statement("home", NOW, f"mae of {FALL} to {THE_NEXT[3:]}", 2.56, 0.005)]
    ),
    "the advice fits the state": made(
        statements=[Statement("overview", NOW, "advice", "Nothing: keep sending outcomes.")]
    ),
    "an incident is open if and only if the model is unwell": made(
        statements=[
            Statement("API model", "now, later", "state", "degraded"),
            Statement("overview", "now, later", "headline", "Degraded since 4 March 2026"),
        ]
    ),
    "an incident spans what the cards show": made(
        statements=[Statement("card", "1d 2026-03-03T00:00:00Z", "state", "at_risk")]
    ),
    "a broken objective is stated": made(
        statements=[
            Statement("API model", "now, later", "state", "healthy"),
            Statement("overview", "now, later", "headline", "Healthy since 5 March 2026"),
            Statement("incident objective", "now, later", "open objective incident", "mae <= 1"),
        ]
    ),
    "one state per objective and window": made(statements=[Statement("card", A_DAY, "state of mae <= 1", "met")]),
    "conclusive windows are not denied": made(
        statements=[Statement("card", THE_NEXT, "text", "No window has conclusive outcomes yet.")]
    ),
    "a degradation has a period that shows it": made(
        shown=[Statement(API, THE_NEXT, "state", "degraded"), Statement(API, THE_NEXT, "period end", THE_NEXT[3:])]
    ),
    "a message states what was shown": made(messages=[Statement("message opened", A_DAY, "since", "2026-03-03")]),
    "one message per transition": made(bodies=[{"kind": "joined", "title": "", "findings": [SECOND]}]),
    "files state what is live": made(files={FILES[2]: [Statement(FILES[2], NOW, "state", "healthy")]}),
    "the same rows have one state, as one window and by window": made(
        files={FILES[0]: [Statement(FILES[0], NOW, "state", "unknown")]}
    ),
}


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_a_rule_fires_on_a_contradiction_and_on_nothing_else(rule: Any) -> None:
    assert [*rule.broken(made())] == []
    assert [*rule.broken(BROKEN[rule.name])] != []


def test_every_rule_has_a_case() -> None:
    assert {rule.name for rule in RULES} == set(BROKEN)
