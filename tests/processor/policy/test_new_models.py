"""Names that somebody invents in telemetry: how many messages they cause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from driftline_processor.policy.message import Message
from msgspec.structs import replace

from tests.support.policy_watch import DAY, Watched, headline, model, watched
from tests.support.slow import slow
from tests.support.verdict_windows import right, wrong

SECOND = 10**9
HOUR = 3_600 * SECOND
WRONG = [right(0), right(1), wrong(2), wrong(3)]
INVENTED = [f"fraud-eu-{number}" for number in range(300)]


def look(watch: Watched, days: list[Any], *names: str, sends: bool = True) -> list[Message]:
    """Look at models of these names, which have just received rows unless they no longer send."""
    views = [model(days, name) for name in names]
    now = watch.clock.now + 60 * SECOND
    return watch.look(*(replace(view, received=now) if sends else view for view in views))


@pytest.mark.parametrize("restarts", [False, slow(True)])
def test_300_invented_models_are_one_message(tmp_path: Path, restarts: bool) -> None:
    sent = []
    with watched(tmp_path) as watch:
        for count in (100, 200, 300):
            sent += look(watch, WRONG, *INVENTED[:count])
        assert len(watch.alerts.open) == 300
        for _ in range(0 if restarts else 5):
            sent += look(watch, WRONG, *INVENTED, sends=False)
    for _ in range(20 if restarts else 0):
        with watched(tmp_path) as again:
            again.clock.now = watch.clock.now
            sent += look(again, WRONG, *INVENTED, sends=False)
    (message,) = sent
    assert (message.kind, message.channel, message.facts["severity"]) == ("summary", "json", "warning")
    assert message.facts["title"].startswith("200 new models appeared")


def test_a_declared_model_is_notified_among_invented_ones(tmp_path: Path) -> None:
    with watched(tmp_path, models={"late": {}}) as watch:
        look(watch, [right(0)], "late", *INVENTED)
        told = look(watch, WRONG, "late", *INVENTED)
        assert [headline(one) for one in told if one.kind != "summary"] == ["opened late degraded 2013-07-03"]


def test_few_new_models_are_notified_at_once(tmp_path: Path) -> None:
    with watched(tmp_path) as watch:
        assert len(look(watch, WRONG, *INVENTED[:20])) == 20
        assert look(watch, WRONG, *INVENTED[:21]) == []  # one more on the same day waits
        (message,) = look(watch, WRONG, *INVENTED[:21])
        assert message.facts["title"].startswith("1 new model appeared")


def test_models_that_waited_become_known_so_many_a_day_if_they_still_receive_rows(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"limits": {"new_models": "2 per 1d"}}
    with watched(tmp_path, **keys) as watch:
        look(watch, WRONG, *INVENTED[:5])
        watch.clock.now += HOUR
        told = look(watch, WRONG, *INVENTED[:5], sends=False)
        assert [one.kind for one in told] == ["summary"]
        told = look(watch, WRONG, *INVENTED[:5])
        assert [one.facts["model"] for one in told] == INVENTED[:2]
        assert look(watch, WRONG, *INVENTED[:5]) == []
        watch.clock.now += DAY
        told = [one for one in look(watch, WRONG, *INVENTED[:5]) if one.kind != "summary"]
        assert [one.facts["model"] for one in told] == INVENTED[2:4]


def test_models_of_a_state_from_before_are_known(tmp_path: Path) -> None:
    with watched(tmp_path) as watch:
        look(watch, [right(0)], *INVENTED[:50])
        watch.alerts.forget_models({*INVENTED})
        assert len(look(watch, WRONG, *INVENTED[:50])) == 50


def test_the_decision_says_that_a_model_is_new_and_that_its_actions_do_not_run(tmp_path: Path) -> None:
    actions = {"jira/pay": {"url": "https://example.atlassian.net", "project": "PAY", "token": "secret-7"}}
    keys: dict[str, Any] = {"limits": {"new_models": "1 per 1d"}, "actions": actions}
    with watched(tmp_path, policies={"health": {"actions": ["jira/pay"]}}, **keys) as watch:
        look(watch, WRONG, "late", "other")
        (decision,) = watch.explanations.of_model([model(WRONG)])
        assert [one.kind for one in decision.untold] == ["undeclared", "new_model"]


@pytest.mark.slow
def test_names_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    with watched(tmp_path) as watch:
        look(watch, WRONG, *INVENTED)
        look(watch, WRONG, *INVENTED[:3])
        watch.tidy()
        assert sorted(watch.alerts.sightings) == sorted(INVENTED[:3])
