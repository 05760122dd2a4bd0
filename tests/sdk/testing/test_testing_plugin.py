"""The pytest plugin in somebody's project: what it costs, and what a failing test prints."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import driftline.testing.capture_session  # noqa: F401 - a nested run must find it, not load it a second time
import pytest
from driftline.testing import Capture, CapturedOutcome, CapturedPrediction, Distribution

from tests.support.paths import ROOT
from tests.support.receiver import Receiver

pytest_plugins = ["pytester"]

SHOP = """
import driftline

churn = driftline.Model("churn", task="binary")

@churn.predict(id="order_id")
def score(order: dict) -> float:
    return 0.25 if order["amount"] < 100 else 0.75
"""
TESTS = """
import shop

def test_a_small_order(driftline_capture):
    assert shop.score({"order_id": "A-1", "amount": 17.5}) == 0.25
    (prediction,) = driftline_capture.predictions
    assert prediction.features == {"amount": 17.5}
    driftline_capture.assert_predicted("churn", id="A-1", score=0.25)

def test_a_large_order(driftline_capture):
    shop.score({"order_id": "A-2", "amount": 175.0})
    driftline_capture.assert_predicted("churn", id="A-2", predicted=1)
    driftline_capture.assert_counted("churn", 1)
    driftline_capture.assert_nothing_lost()
"""
FAILING = """
import shop

def test_a_large_order(driftline_capture):
    shop.score({"order_id": "A-1", "amount": 17.5})
    shop.score({"order_id": "A-2", "amount": 175.0})
    driftline_capture.assert_predicted("churn", id="A-2", score=0.25)
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with one model, of which nothing may reach the network."""
    pytester.makepyfile(shop=SHOP)
    pytester.syspathinsert()
    monkeypatch.setenv("DRIFTLINE_ENDPOINT", "http://127.0.0.1:9")
    return pytester


def test_the_fixture_is_there_without_an_import(project: pytest.Pytester) -> None:
    project.makepyfile(TESTS)
    project.runpytest_inprocess("-W", "error", "-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_a_failing_test_prints_what_was_there_instead_and_no_line_of_driftline(project: pytest.Pytester) -> None:
    project.makepyfile(FAILING)
    result = project.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            '>       driftline_capture.assert_predicted("churn", id="A-2", score=0.25)',
            "E       AssertionError: no prediction of 'churn' has id 'A-2', score 0.25; 2 were captured, nearest *",
            "E         churn 'A-2': score is 0.75, not 0.25",
            "E         churn 'A-1': id is 'A-1', not 'A-2'",
        ]
    )
    assert "expectations.py" not in result.stdout.str()
    assert "captured.py" not in result.stdout.str()


def test_a_failing_comparison_prints_the_rows(project: pytest.Pytester) -> None:
    project.makepyfile(TESTS.replace('{"amount": 17.5}\n', '{"amount": 18.5}\n'))
    result = project.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E         {'amount': 17.5} != {'amount': 18.5}"])


@pytest.mark.slow
def test_workers_of_xdist_capture_their_own_and_nothing_leaves(
    project: pytest.Pytester, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_ENDPOINT", f"http://127.0.0.1:{receiver.server_port}")
    project.makepyfile(TESTS)
    result = project.runpytest_subprocess("-n", "2", "-W", "error", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2)
    assert receiver.bodies == []


@pytest.mark.slow
def test_what_tests_record_outside_of_captures_is_sent_as_ever(
    project: pytest.Pytester, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_ENDPOINT", f"http://127.0.0.1:{receiver.server_port}")
    outside = 'shop.score({"order_id": "outside", "amount": 17.5})\n'
    project.makepyfile(f"{TESTS.replace('import shop', f'import shop; {outside}')}\ndef test_outside():\n    {outside}")
    project.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=3)
    assert receiver.ids() == ["outside", "outside"]


LOADED = """
import json, sys
class Look:
    def pytest_sessionfinish(self, session):
        open(sys.argv[1], "w").write(json.dumps(sorted(sys.modules)))
import pytest
pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:anyio", sys.argv[2]], [Look()])
"""


def test_a_project_that_does_not_use_it_loads_nothing_but_the_plugin(tmp_path: Path) -> None:
    test, modules = tmp_path / "test_nothing.py", tmp_path / "modules.json"
    test.write_text("def test_nothing():\n    pass\n", encoding="utf-8")
    environment = {**os.environ, "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-c", LOADED, str(modules), str(test)]
    subprocess.run(command, env=environment, check=True, timeout=60, cwd=tmp_path, stdout=subprocess.DEVNULL)
    loaded = json.loads(modules.read_text(encoding="utf-8"))
    ours = {name for name in loaded if name.partition(".")[0] in ("driftline", "opentelemetry", "numpy")}
    assert ours == {"driftline", "driftline.testing", "driftline.testing.plugin"}


UNREAD = """
@shop.churn.predict
def score(order):
    return {"label": 1, "probability": 0.75}

def test_the_result_is_read(driftline_capture):
    score({"amount": 17.5})
    driftline_capture.assert_nothing_lost()
"""
PAGE = ROOT / "docs/instrument/test-your-service.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def shown(project: pytest.Pytester) -> pytest.Pytester:
    """The project that the page shows, file by file."""
    for block in blocks("python"):
        (name,) = re.findall(r"^# (\S+\.py)$", block, re.MULTILINE)
        (project.path / name).write_text(block, encoding="utf-8")
    return project


def test_the_page_shows_tests_that_pass(shown: pytest.Pytester) -> None:
    uses = (
        "import shop\n\ndef test_march(march):\n    shop.score({'amount': 1})\n    assert march.clock.now.month == 3\n"
    )
    shown.makepyfile(test_march=uses)
    shown.runpytest_inprocess("-W", "error", "-p", "no:cacheprovider").assert_outcomes(passed=5)


def test_the_page_shows_what_failing_tests_print(shown: pytest.Pytester) -> None:
    (shown.path / "test_shop.py").write_text(
        f"{(shown.path / 'test_shop.py').read_text(encoding='utf-8').replace('score=0.25', 'score=0.5')}\n{UNREAD}",
        encoding="utf-8",
    )
    printed = shown.runpytest_inprocess("-p", "no:cacheprovider", "test_shop.py").stdout.str()
    for message in blocks("text"):
        assert message in printed


def test_the_page_names_all_there_is_to_read_and_to_assert() -> None:
    page = PAGE.read_text(encoding="utf-8")
    names = [name for name in vars(Capture) if not name.startswith("_")]
    assert [name for name in names if not re.search(rf"[`.]{name}\b", page)] == []
    fields = {*CapturedPrediction.__slots__, "error", *CapturedOutcome.__slots__, *Distribution.__slots__}
    assert {field for field in fields if f"`.{field}`" not in page} == {"attributes", "point"}  # for the curious
