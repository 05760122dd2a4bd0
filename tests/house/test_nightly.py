"""Parts of the nightly run: one line a run with its commit, and what has not passed on the current commit."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from scripts.nightly import TESTS, failed_tests, parts, run_part, runs, status
from tests.support.paths import ROOT

MAKEFILE = """
good:
\t@echo fine
bad:
\t@echo 'FAILED tests/test_a.py::test_one[a b] - assert 1 == 2'; echo 'ERROR tests/test_b.py'; echo '2 failed'; exit 1
endless:
\t@trap "echo 'FAILED tests/test_c.py::test_end'; exit 1" INT; while :; do sleep 0.1; done
moves:
\t@echo changed >>file
"""
WORDS = {"good": ["good"], "bad": ["bad"]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "file").touch()
    _git(tmp_path, "init", "--quiet")
    _commit(tmp_path)
    return tmp_path


def _git(root: Path, *words: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)


def _commit(root: Path) -> None:
    _git(root, "add", "Makefile", "file")
    _git(root, "commit", "--quiet", "--allow-empty", "--message", "a")


@pytest.mark.slow
def test_a_part_that_passed_is_not_missing_until_the_next_commit(root: Path) -> None:
    record = root / "record"
    assert status(root, record, WORDS)[1] == ["good", "bad"]
    good, bad = (run_part(root, record, part, words) for part, words in WORDS.items())
    assert (good.result, good.failed_tests) == ("passed", "")
    assert (bad.result, bad.failed_tests) == ("failed", "tests/test_a.py::test_one[a b], tests/test_b.py")
    assert runs(record) == [good, bad]
    text, missing = status(root, record, WORDS)
    assert missing == ["bad"]
    assert text.endswith(f"not passed on {good.commit}: bad")
    _commit(root)
    text, missing = status(root, record, WORDS)
    assert missing == ["good", "bad"]
    assert f"good: not run on this commit; last: {good.started} {good.line}" in text


@pytest.mark.slow
def test_a_part_is_stopped_at_its_limit_and_names_the_tests_that_failed_by_then(root: Path) -> None:
    run = run_part(root, root / "record", "endless", ["endless"], limit=1.0)
    assert run.result.startswith("stopped after ")
    assert run.failed_tests == "tests/test_c.py::test_end"
    assert status(root, root / "record", ["endless"])[1] == ["endless"]


@pytest.mark.slow
def test_a_part_during_which_a_file_changed_is_counted_for_no_commit(root: Path) -> None:
    run = run_part(root, root / "record", "moves", ["moves"])
    assert (run.result, run.commit[-1]) == ("passed", "+")
    assert status(root, root / "record", ["moves"])[1] == ["moves"]
    _git(root, "checkout", "file")
    assert status(root, root / "record", ["moves"])[1] == ["moves"]


def test_a_log_without_a_summary_gives_its_last_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("== one\nslower than promised\n\n")
    assert failed_tests(log) == "slower than promised"


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "runs.tsv").write_text("2026-01-01T00:00:00\tabc\tlint\tpassed\t1.0\t\n2026-01-01T00:00:00\tabc\tso")
    assert [run.part for run in runs(tmp_path)] == ["lint"]


def test_each_part_calls_a_target_that_exists_and_folders_that_exist() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {words[0] for words in parts().values()} <= set(targets)
    assert [one for folders in TESTS.values() for one in folders.split() if not (ROOT / one).is_dir()] == []
