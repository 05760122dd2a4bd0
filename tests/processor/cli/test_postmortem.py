"""`driftline postmortem`: one file, from what a running processor answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from driftline_processor.core.performance.mispredictions import Worst

from tests.support.churn_files import Run
from tests.support.facts import lacking
from tests.support.fake_view import FakeView, app_of
from tests.support.policy_watch import model, watched
from tests.support.serve import serve
from tests.support.verdict_windows import right, value, wrong


class NobodyWrong:
    """No wrong prediction is kept."""

    def worst(self, *_: object) -> Worst:
        return Worst()


SLOW = {"policies": {"health": {"enabled": False}, "slow": {"when": "accuracy < 70 %", "in_a_row": 3}}}


@pytest.fixture
def running(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The address of a processor that was told of one model, and the id of the alert."""
    low = {"accuracy": value(0.6)}
    days = [right(0), right(1), *(wrong(day, clear=True, realized=low) for day in (2, 3, 4))]
    with watched(tmp_path / "state", **getattr(request, "param", SLOW)) as watch:
        for number in range(1, len(days) + 1):
            watch.look(model(days[:number], "churn"))
        [alert] = watch.alerts.alerts
        view = FakeView([model(days, "churn")], alerts=watch.alerts, explanations=watch.explanations)
        with serve(app_of(view, rows={"mispredictions": NobodyWrong()})) as url:
            yield url, alert


def test_one_file_says_what_would_have_found_it_sooner(run: Run, tmp_path: Path, running: tuple[str, str]) -> None:
    url, alert = running
    file = tmp_path / "post.md"
    result = run("postmortem", alert, "--url", url, "-o", file)
    assert result.exit_code == 0, result.output
    text = file.read_text()
    assert text.startswith("# Postmortem: churn, 2013\\-07\\-03")
    assert "| verdict is degraded or at\\_risk, in windows of 1d | 2 days |" in text
    page = tmp_path / "post.html"
    assert run("postmortem", alert[:6], "--url", url, "-o", page).exit_code == 0
    assert "default-src &#x27;none&#x27;" in page.read_text()


@pytest.mark.parametrize("running", [{}], indirect=True)
def test_the_verdict_detects_nothing_earlier_than_an_alert_on_the_verdict(run: Run, running: tuple[str, str]) -> None:
    text = run("postmortem", running[1], "--url", running[0]).stdout
    assert "| Policy | health, critical |" in text
    assert "verdict is" not in text.partition("earlier?")[2]


def test_an_alert_that_is_not_there_is_said(run: Run, running: tuple[str, str]) -> None:
    result = run("postmortem", "nobody", "--url", running[0])
    assert result.exit_code == 2
    assert lacking(result.stderr, "nobody:") == []


def test_another_kind_of_file_is_refused(run: Run) -> None:
    result = run("postmortem", "x", "-o", "post.pdf")
    assert result.exit_code == 2
    assert lacking(result.stderr, "post.pdf") == []
