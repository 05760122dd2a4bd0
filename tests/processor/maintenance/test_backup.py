"""A backup of a busy processor has every acknowledged row; a restored state continues; a check names each damage."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from driftline_processor.cli.commands import app
from driftline_processor.log.entry_format import FOR_DESTINATIONS, Entry
from driftline_processor.log.segments import NO_FOLDER
from driftline_processor.maintenance.backup import BackupError
from driftline_processor.state import State
from driftline_processor.store.archive import ArchiveError, Member, archive_blocks, unpack, write_archive
from driftline_processor.store.database import StorageError, set_mark
from driftline_processor.store.migrations import SCHEMA_VERSION
from typer.testing import CliRunner

from tests.support.fake_view import app_of
from tests.support.processes import prediction
from tests.support.serve import serve
from tests.support.state_rows import NOON, Clock, config, outcomes


def opened(directory: Path) -> State:
    state = State(config(directory), clock=Clock(NOON))
    state.start_storing()
    return state


def send(state: State, *names: str) -> None:
    for name in names:
        state.submit("logs", prediction("churn", name)).result(60)


def ids(state: State) -> set[str]:
    state.catch_up()
    return set(state.read("SELECT id FROM predictions").column(0).to_pylist())


def back_up(state: State, file: Path) -> Path:
    write_archive(file, state.backups.blocks())
    return file


def restored(file: Path, into: Path) -> State:
    unpack(file, into)
    return opened(into)


def run(*arguments: object) -> tuple[int, list[str]]:
    done = CliRunner().invoke(app, ["state", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output.splitlines()


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup with two rows in the database, and one that is only in the log."""
    folder = tmp_path_factory.mktemp("backup")
    state = opened(folder / "origin")
    send(state, "a", "b")
    state.catch_up()
    with state._analysis.resting():
        send(state, "c")
        back_up(state, folder / "backup.tar")
    state.stop()
    return folder / "backup.tar"


@pytest.fixture
def file(tmp_path: Path, backup: Path) -> Path:
    """A copy of the backup, which a test may damage."""
    return Path(shutil.copy(backup, tmp_path / "backup.tar"))


def test_rows_that_are_only_in_the_log_are_in_the_backup(tmp_path: Path, file: Path) -> None:
    with tarfile.open(file) as tar:
        names = tar.getnames()
    assert (names[0], names[-1]) == ("driftline.duckdb", "manifest.json")
    assert file.stat().st_mode & 0o777 == 0o600
    state = restored(file, tmp_path / "restored")
    assert ids(state) == {"a", "b", "c"}
    assert (state.health.problems(), state.log.gaps.sentence()) == ([], None)
    state.stop()


@pytest.mark.slow
def test_every_row_that_was_acknowledged_before_a_backup_of_a_busy_state_is_in_it_once(tmp_path: Path) -> None:
    state = opened(tmp_path / "origin")
    acknowledged: list[str] = []
    stopping = threading.Event()

    def sender(number: int) -> None:
        count = 0
        while not stopping.is_set():
            send(state, f"{number}-{count}")
            acknowledged.append(f"{number}-{count}")
            count += 1

    threads = [threading.Thread(target=sender, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    expected: list[set[str]] = []
    for number in range(3):
        stopping.wait(0.7)
        expected.append(set(acknowledged))
        back_up(state, tmp_path / f"{number}.tar")
    stopping.set()
    for thread in threads:
        thread.join()
    state.stop()
    for number, before in enumerate(expected):
        assert len(before) > 10
        state = restored(tmp_path / f"{number}.tar", tmp_path / f"restored-{number}")
        found = ids(state)
        assert (before - found, state.log.gaps.sentence()) == (set(), None)
        assert state.read("SELECT count(*) AS n FROM predictions").to_pylist() == [{"n": len(found)}]
        state.stop()


@pytest.mark.slow
def test_requests_stay_in_the_log_until_the_backup_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = opened(tmp_path / "origin")
    copy = state._store.copy_to

    def copy_and_read_on(folder: Path) -> None:
        copy(folder)
        resting.__exit__(None, None, None)
        state.catch_up()
        state.log.let_go()  # the analysis has read everything, so no reader needs the files any more

    monkeypatch.setattr(state._store, "copy_to", copy_and_read_on)
    resting = state._analysis.resting()
    resting.__enter__()
    send(state, "a")
    back_up(state, tmp_path / "backup.tar")
    state.stop()
    state = restored(tmp_path / "backup.tar", tmp_path / "restored")
    assert ids(state) == {"a"}
    state.stop()


def test_only_one_backup_is_made_at_a_time_and_a_dropped_one_ends(tmp_path: Path) -> None:
    state = opened(tmp_path / "origin")
    blocks = state.backups.blocks()
    with pytest.raises(BackupError, match="another backup is being made"):
        state.backups.blocks()
    del blocks
    assert not state._store.backup_folder.exists()
    back_up(state, tmp_path / "backup.tar")
    state.stop()


def test_a_backup_never_fills_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = opened(tmp_path / "origin")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10 << 20))
    with pytest.raises(BackupError, match=r"has 10 MiB free and the copy needs \d+ MiB; free space on its disk"):
        state.backups.blocks()
    send(state, "a")
    assert (ids(state), state._store.outage) == ({"a"}, None)
    state.stop()


def test_a_copy_that_fails_is_no_outage_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = opened(tmp_path / "origin")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(state.log, "copy_to", full)
        with pytest.raises(BackupError, match="No space left on device"):
            state.backups.blocks()
    send(state, "a")
    assert (ids(state), state._store.outage, state._store.backup_folder.exists()) == ({"a"}, None, False)
    back_up(state, tmp_path / "backup.tar")
    state.stop()


def test_the_database_knows_what_was_acknowledged_after_its_rows(tmp_path: Path) -> None:
    """Requests more than a minute apart are stored in separate blocks, so the last one is only in the log."""
    clock = Clock(NOON)
    state = State(config(tmp_path), clock=clock)
    state.start_storing()
    with state._analysis.resting():
        for name in ("a", "b"):
            send(state, name)
            clock.now += 120 * 10**9
        state._analysis._step()
    state._queue.stop()
    state._store.close()  # as after a kill
    shutil.rmtree(tmp_path / "log")
    state = opened(tmp_path)
    assert ids(state) == {"a"}
    assert "are lost; all other requests are kept" in (state.log.gaps.sentence() or "")
    assert [problem.name for problem in state.health.problems()] == ["log_gap"]
    assert state.health.ready
    state.stop()


def test_a_log_that_was_read_to_its_end_and_deleted_is_no_damage(tmp_path: Path) -> None:
    """Results that are sent every minute move the cursor of the analysis, and not the position in the database."""
    state = opened(tmp_path / "origin")
    send(state, "a")
    state.catch_up()
    derived = Entry("metrics", b"results", NOON, readers=FOR_DESTINATIONS, to="otlp_grpc/vendor")
    state.log.append(derived).result(60)
    state.catch_up()
    state.log.let_go()
    file = back_up(state, tmp_path / "backup.tar")
    state.stop()
    code, output = run("check", file)
    assert (code, "log: 0 files, 0 requests, 0 bytes" in output, "no damage found" in output) == (0, True, True), output
    again = restored(file, tmp_path / "again")
    assert ids(again) == {"a"}
    assert again.log.gaps.sentence() is None
    again.stop()


def lost_database(directory: Path, *names: str) -> str:
    """Remove the database and more files of a state that has deleted its log; return the output of the check."""
    state = opened(directory)
    send(state, "a")
    state.catch_up()
    state.log.let_go()
    state.stop()
    for name in ("driftline.duckdb", *names):
        (directory / name).unlink()
    code, output = run("check", directory)
    assert code == 1
    return "\n".join(output)


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("driftline.acknowledged",),
        ("log/acknowledged", "driftline.acknowledged.log"),
        ("driftline.acknowledged", "log/acknowledged"),
        ("driftline.acknowledged", "driftline.acknowledged.log"),
    ],
)
def test_a_database_that_is_missing_is_said_with_the_time_of_the_last_acknowledgment(
    tmp_path: Path, names: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "state"
    said = lost_database(directory, *names)
    lost = "data acknowledged from the beginning to 20[0-9]{2}-[0-9T:.-]+Z was lost in .*: the file is missing"
    assert re.search(lost, said), said
    again = opened(directory)
    [problem] = [problem for problem in again.health.problems() if problem.name == "storage_gap"]
    assert re.search(lost, problem.message)
    assert any(re.search(lost, record.getMessage()) for record in caplog.records)
    again.stop()


def test_a_database_that_is_missing_without_marks_is_a_damage(tmp_path: Path) -> None:
    marks = ("driftline.acknowledged", "log/acknowledged", "driftline.acknowledged.log")
    assert "driftline.duckdb is missing; restore a backup" in lost_database(tmp_path / "state", *marks)


ONLY_HERE: dict[str, Callable[[State], object]] = {
    "outcomes": lambda state: state.submit_outcomes([outcomes(["a"], [1])], b"0123456789abcdef").result(60),
    "decision": lambda state: state.decide("churn", "1", "note", "ana", "looked at it"),
    "audit": lambda state: state.audit("rows_read", by="ana", words="rows were read"),
}
"""What the log of requests never has."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lost", "is_checkpointed"),
    [("driftline.duckdb.wal", False), ("driftline.duckdb.wal", True), ("driftline.duckdb", False)],
)
@pytest.mark.parametrize("kinds", [(), *((kind,) for kind in ONLY_HERE)])
def test_a_kill_and_a_lost_file_are_a_gap_if_only_the_database_had_the_data(
    tmp_path: Path, kinds: tuple[str, ...], is_checkpointed: bool, lost: str, caplog: pytest.LogCaptureFixture
) -> None:
    killed, emptied = tmp_path / "killed", tmp_path / "emptied"
    state = opened(tmp_path / "alive")
    send(state, "a")
    state.catch_up()
    if is_checkpointed:
        with state._store.reading() as connection:
            connection.execute("COMMIT")
            connection.execute("CHECKPOINT")
    for kind in kinds:
        ONLY_HERE[kind](state)
    send(state, "b")  # a later request of the log does not hide what is lost
    state.catch_up()
    shutil.copytree(tmp_path / "alive", killed)
    state.stop()
    shutil.copytree(killed, emptied)
    for name in {lost, "driftline.duckdb.wal"}:
        (emptied / name).unlink()
    assert run("check", killed)[0] == 0, "a kill alone loses nothing"
    code, output = run("check", emptied)
    assert (code, any("send outcomes and panes again" in line for line in output)) == (len(kinds), bool(kinds))

    for directory, is_gap in ((killed, False), (emptied, bool(kinds))):
        caplog.clear()
        again = opened(directory)
        assert ids(again) == {"a", "b"}
        problems = {problem.name: problem.message for problem in again.health.problems()}
        assert list(problems) == ["storage_gap"] * is_gap
        logged = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert logged == [f"driftline: {message}" for message in problems.values()]
        if is_gap:
            why = "the file is missing" if lost == "driftline.duckdb" else "its write-ahead log was truncated"
            assert re.search(f"was lost in .*: {why}.*did not arrive over OTLP", problems["storage_gap"])
            ONLY_HERE[kinds[0]](again)
        again.stop()
        after = opened(directory)
        assert after.health.problems() == [], "the senders have sent it again"
        after.stop()


def test_a_database_that_is_missing_is_no_damage_if_the_log_has_all_requests(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    state = opened(directory)
    send(state, "a")
    state.catch_up()
    state.stop()
    (directory / "driftline.duckdb").unlink()
    (directory / "driftline.duckdb.wal").unlink(missing_ok=True)
    code, output = run("check", directory)
    assert (code, output[-1]) == (0, "no damage found"), output
    assert "note: driftline.duckdb is missing; the next start reads all requests from the log again" in output
    again = opened(directory)
    assert (ids(again), again.health.problems()) == ({"a"}, [])
    again.stop()


@pytest.mark.parametrize("content", [b"", b"\xff" * 10, b"broken\n", b"ab" * 31, b"ab" * 33, None])
def test_a_check_names_the_key_of_the_audit_log_that_a_start_refuses(tmp_path: Path, content: bytes | None) -> None:
    directory = tmp_path / "state"
    opened(directory).stop()
    key = directory / "driftline.audit.key"
    key.unlink()
    if content is None:
        key.mkdir()
    else:
        key.write_bytes(content)
    code, output = run("check", directory)
    with pytest.raises(StorageError) as refused:
        opened(directory)
    assert (code, output[-2:]) == (1, [f"damaged: {refused.value}", "1 damage found"])


def test_a_directory_without_files_of_a_state_is_refused(tmp_path: Path) -> None:
    assert run("check", tmp_path)[0] == 2


# -- the commands -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_running_processor_is_backed_up_checked_and_restored(tmp_path: Path) -> None:
    file, into = tmp_path / "backup.tar", tmp_path / "restored"
    state = opened(tmp_path / "state")
    with serve(app_of(state)) as url:
        send(state, "a", "b")
        assert run("backup", file, "--url", url)[0] == 0
        assert file.stat().st_mode & 0o777 == 0o600
        assert run("backup", file, "--url", url) == (2, [f"driftline: {file}: exists already; use another name"])
        blocks = state.backups.blocks()
        code, output = run("backup", tmp_path / "second.tar", "--url", url)
        assert (code, output) == (2, [f"driftline: {url}: another backup is being made; wait until it is complete"])
        del blocks
        assert state.read("SELECT kind, words FROM audit WHERE kind = 'backed_up'").num_rows == 1
        command = [sys.executable, "-m", "driftline_processor", "state", "check", str(tmp_path / "state")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, "is in use by a running process" in done.stderr) == (2, True), done.stderr
    state.stop()
    assert run("restore", file, "--into", into)[0] == 0
    for place in (file, into):
        code, output = run("check", place)
        assert (code, output[0], output[-1]) == (
            0,
            f"schema {SCHEMA_VERSION} (this version reads {SCHEMA_VERSION})",
            "no damage found",
        )
    state = opened(into)
    assert ids(state) == {"a", "b"}
    state.stop()


def test_a_restore_refuses_a_directory_with_files(tmp_path: Path, file: Path) -> None:
    into = tmp_path / "full"
    into.mkdir()
    (into / "notes.txt").write_text("mine")
    sentence = f"driftline: --into: {into} is not an empty directory; use an empty or a new one"
    assert run("restore", file, "--into", into) == (2, [sentence])
    assert [path.name for path in into.iterdir()] == ["notes.txt"]


def flip(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 0xFF
    file.write_bytes(data)


def with_member(file: Path, name: str) -> None:
    (file.parent / "evil").write_text("x")
    with tarfile.open(file, "w") as tar:
        tar.add(file.parent / "evil", name)


BAD_BACKUPS: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (lambda file: os.truncate(file, file.stat().st_size // 2), "is not a complete backup"),
    "without its end": (lambda file: os.truncate(file, 512 * 9), "is not a complete backup"),
    "empty": (lambda file: file.write_bytes(b""), "is not a complete backup|ends before its manifest"),
    "another file": (lambda file: file.write_bytes(b"hello" * 500), "is not a complete backup"),
    "flipped": (lambda file: flip(file, 20_000), "driftline.duckdb is damaged or missing; use another backup"),
    "with a path": (lambda file: with_member(file, "../../evil"), "which is not a file of a state"),
    "with an absolute path": (lambda file: with_member(file, "/evil"), "which is not a file of a state"),
    "with a foreign file": (lambda file: with_member(file, "log/x.sh"), "which is not a file of a state"),
}


DAMAGED_BACKUPS = {"cut", "without its end", "flipped"}
"""Backups of which a check says that they are damaged; the others are not backups."""


@pytest.mark.parametrize("name", BAD_BACKUPS)
def test_a_bad_backup_is_named_and_nothing_of_it_is_restored(tmp_path: Path, file: Path, name: str) -> None:
    hurt, expected = BAD_BACKUPS[name]
    hurt(file)
    with pytest.raises(ArchiveError, match=expected):
        unpack(file)
    before = sorted(path.name for path in tmp_path.iterdir())
    code, output = run("restore", file, "--into", tmp_path / "into")
    assert (code, len(output), output[0].startswith(f"driftline: {file}: ")) == (2, 1, True)
    code, output = run("check", file)
    assert (code, str(file) in output[0]) == (1 if name in DAMAGED_BACKUPS else 2, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_backup_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    state = opened(tmp_path / "origin")
    blocks = archive_blocks([], SCHEMA_VERSION + 1)
    write_archive(tmp_path / "newer.tar", blocks)
    state.stop()
    _, output = run("restore", tmp_path / "newer.tar", "--into", tmp_path / "into")
    assert f"was made by a newer version of Driftline (0.1.0, schema {SCHEMA_VERSION + 1}; this version" in output[0]


@pytest.mark.slow
def test_a_backup_of_many_files_is_synced_once(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: syncs.append("file"))
    monkeypatch.setattr(os, "sync", lambda: syncs.append("all"))
    unpack(file, tmp_path / "origin")
    names = [f"log/cursors/reader-{number}" for number in range(20_000)]
    members = [Member("driftline.duckdb", tmp_path / "origin" / "driftline.duckdb"), *(Member(n, b"") for n in names)]
    write_archive(tmp_path / "many.tar", archive_blocks(members))
    syncs.clear()
    code, output = run("restore", tmp_path / "many.tar", "--into", tmp_path / "into")
    assert (code, len(output), output[0].startswith(f"{tmp_path / 'into'}: restored schema ")) == (0, 1, True)
    assert syncs == ["all"]
    assert len([*(tmp_path / "into" / "log" / "cursors").iterdir()]) == 20_000
    assert run("check", tmp_path / "many.tar")[0] == 0
    assert syncs == ["all"]


def test_many_damaged_files_are_one_sentence(tmp_path: Path) -> None:
    def blocks(content: bytes) -> list[bytes]:
        return [*archive_blocks(Member(f"log/cursors/reader-{number}", content) for number in range(200))]

    written, changed = blocks(b"a"), blocks(b"b")
    write_archive(tmp_path / "many.tar", [*written[:-4], *changed[-4:]])
    with pytest.raises(ArchiveError, match=r"driftline\.duckdb and 200 other files are damaged or missing"):
        unpack(tmp_path / "many.tar")


# -- check ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def stopped(tmp_path: Path, file: Path) -> Path:
    """The state of the backup."""
    unpack(file, tmp_path / "stopped")
    return tmp_path / "stopped"


def the_log(directory: Path) -> Path:
    (log,) = (directory / "log").glob("*.log")
    return log


def add_bytes(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


CHECKS: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "nothing": (Path.exists, 0, "no damage found"),
    "log: last request": (
        lambda directory: flip(the_log(directory), the_log(directory).stat().st_size - 1),
        1,
        r"damaged: log/0+\.log is damaged: the acknowledged requests in bytes [0-9,]+ to [0-9,]+ are lost; restore a",
    ),
    "log: a request that everyone has read": (lambda directory: flip(the_log(directory), 60), 0, "no damage found"),
    "log: missing": (
        lambda directory: the_log(directory).unlink(),
        1,
        r"damaged: the file with position [0-9,]+ is missing or too short: the acknowledged requests in bytes",
    ),
    "log: head": (lambda directory: flip(the_log(directory), 3), 1, "the next start writes it again"),
    "log: torn end": (
        lambda directory: add_bytes(the_log(directory), b"torn"),
        0,
        r"note: log/0+\.log ends with 4 bytes that were not acknowledged; the next start removes them",
    ),
    "side file": (lambda directory: (directory / "log" / "acknowledged").unlink(), 0, "note: log/acknowledged is"),
    "database": (
        lambda directory: flip(directory / "driftline.duckdb", 12_400),
        1,
        r"damaged: driftline\.duckdb cannot be opened \(.*\); restore a backup, or start driftline, which sets the",
    ),
}


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_names_each_damage_and_changes_nothing(stopped: Path, name: str) -> None:
    hurt, expected_code, expected = CHECKS[name]
    hurt(stopped)
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    code, output = run("check", stopped)
    assert code == expected_code, output
    assert any(re.search(expected, line) for line in output), output
    assert {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_a_check_of_what_is_no_state_says_what_to_use(tmp_path: Path, stopped: Path) -> None:
    assert run("check", tmp_path / "none")[0] == run("check", tmp_path / "empty")[0] == 2
    state = opened(stopped)
    with state._store.reading() as connection:
        set_mark(connection, "schema", SCHEMA_VERSION + 1)
        connection.execute("COMMIT")
    state.stop()
    code, output = run("check", stopped)
    assert (code, "was written by a newer version of Driftline" in output[0]) == (2, True)
    with pytest.raises(StorageError, match="was written by a newer version"):
        opened(stopped)


def test_a_log_that_is_a_file_is_the_same_sentence_in_the_check_and_at_the_start(stopped: Path) -> None:
    shutil.rmtree(stopped / "log")
    (stopped / "log").write_bytes(b"")
    code, output = run("check", stopped)
    sentence = f"{stopped / 'log'}: {NO_FOLDER}"
    assert (code, f"damaged: {sentence}" in output) == (1, True)
    with pytest.raises(StorageError) as refused:
        opened(stopped)
    assert str(refused.value) == f"storage.directory: {sentence}"
    (stopped / "log").unlink()  # the advice
    state = opened(stopped)
    assert state.health.ready
    state.stop()
