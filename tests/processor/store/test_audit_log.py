"""The audit log in the state file: durable, in one chain, without ids, and within its limits."""

from __future__ import annotations

import hashlib
import hmac
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from driftline_processor.core.audit_chain import Entry, Verification, verify_chain
from driftline_processor.receipts import StorageOutage
from driftline_processor.store.audit_log import MOST_GROUPS, AuditLimits, AuditLog, entry_document
from driftline_processor.store.database import AUDIT_KEY, DatabaseError, StorageError, Store, run

from tests.support.state_rows import DAY, MINUTE, NOON, Clock

FOREVER = 10_000 * DAY


@contextmanager
def opened(
    folder: Path, clock: Callable[[], int] | None = None, limits: AuditLimits | None = None
) -> Iterator[AuditLog]:
    """Open a log until the block ends."""
    store = Store(folder)
    log = AuditLog(store, clock or Clock(), limits)
    try:
        yield log
    finally:
        log.close()
        store.close()


def verified(log: AuditLog) -> Verification:
    return verify_chain(map(entry_document, log.oldest_first()))


def decided(words: str, **keys: str) -> Entry:
    return Entry(kind="decided", words=words, **keys)  # type: ignore[arg-type]


def test_the_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append(decided("a", by="ann", model="churn"), decided("b"))
        head = log.head
    with opened(tmp_path) as log:
        assert log.head == head
        log.append(decided("c"))
        assert (verified(log).broken, verified(log).entries, log.head.sequence) == (None, 3, 3)
        entries, count = log.entries("churn")
    assert (count, [(entry.by, entry.words, entry.time) for entry in entries]) == (1, [("ann", "a", NOON)])


def test_twenty_threads_append_to_one_chain(tmp_path: Path) -> None:
    with opened(tmp_path) as log:

        def append(number: int) -> None:
            for _ in range(5):
                log.append(decided(f"of {number}"))

        threads = [threading.Thread(target=append, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (verified(log).broken, verified(log).entries) == (None, 100)


def test_what_is_appended_while_the_file_is_copied_is_kept(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        connection = log._store.connect(lasting=True)
        run(connection, "CREATE TABLE much AS SELECT range AS a, uuid()::VARCHAR AS b FROM range(300_000)")
        copying = threading.Thread(target=log._store.rewrite)
        copying.start()
        appended = 0
        while copying.is_alive():
            log.append(decided(f"entry {appended}"))
            appended += 1
        copying.join()
        assert (verified(log).broken, verified(log).entries) == (None, appended)


@pytest.mark.slow
def test_what_was_acknowledged_before_a_kill_is_there(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from driftline_processor.core.audit_chain import Entry\n"
        "from driftline_processor.store.audit_log import AuditLog\n"
        "from driftline_processor.store.database import Store\n"
        "log = AuditLog(Store(Path(sys.argv[1])))\n"
        "while True:\n"
        "    print(log.append(Entry(kind='decided', words='x'))[0].sequence, flush=True)\n"
    )
    seen = 0
    for _ in range(3):
        command = [sys.executable, "-c", script, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(7):
                seen = int(process.stdout.readline())
            process.kill()
            seen = max([seen, *map(int, process.stdout.read().split())])
        with opened(tmp_path) as log:
            assert verified(log).broken is None
            assert log.head.sequence in (seen, seen + 1)  # killed between the write and the answer


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE audit SET words = 'B' WHERE seq = 2", 2),
        ("UPDATE audit SET \"by\" = 'eve' WHERE seq = 2", 2),
        ("UPDATE audit SET time = time + 1 WHERE seq = 2", 2),
        ("DELETE FROM audit WHERE seq = 2", 2),
        ("UPDATE audit SET seq = 5 - seq WHERE seq IN (2, 3)", 2),
    ],
)
def test_a_statement_that_bypasses_the_log_breaks_the_chain(tmp_path: Path, statement: str, broken: int) -> None:
    with opened(tmp_path) as log:
        log.append(*map(decided, "abcd"))
        run(log._store.connect(), statement)
        assert verified(log).broken == broken


def test_ids_are_keyed_digests_and_the_key_is_the_owners(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append(Entry(kind="erased", words="deleted", digests=(log.digest("anna@example.com"),)))
    with opened(tmp_path) as log:
        ((entry,), _) = log.entries()
    file = tmp_path / AUDIT_KEY
    key = bytes.fromhex(file.read_text())
    assert entry.digests == (hmac.new(key, b"anna@example.com", hashlib.sha256).hexdigest(),)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert all(b"anna" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_key_that_cannot_be_read_is_named_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / AUDIT_KEY).write_text("broken")
    store = Store(tmp_path)
    with pytest.raises(StorageError, match=r"driftline\.audit\.key is not a key of 64 hexadecimal digits; restore it"):
        AuditLog(store)
    store.close()


def test_repeated_entries_of_a_minute_are_the_first_and_a_sum(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock) as log:
        for _ in range(500):
            log.append(Entry(kind="rows_read", words="rows", by="ann", count=10))
        log.append(Entry(kind="rows_read", words="rows", by="bob", count=3))
        log.flush()
        assert [(one.by, one.count) for one in log.entries()[0]] == [("bob", 3), ("ann", 10)]
        clock.now += MINUTE
        log.flush()
        log.append(Entry(kind="rows_read", words="rows", by="ann", count=1))
        assert [(one.by, one.count) for one in log.entries()[0]] == [("ann", 4990), ("bob", 3), ("ann", 10)]
    with opened(tmp_path) as log:
        assert log.entries()[0][0].count == 1  # of the minute that the end cut short
        assert verified(log).broken is None


def test_failed_logins_from_ever_new_addresses_do_not_fill_the_disk(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock) as log:
        for number in range(5_000):
            log.append(Entry(kind="login_failed", words="wrong token", subject=f"10.0.{number // 250}.{number % 250}"))
        clock.now += MINUTE
        log.flush()
        entries, count = log.entries()
    assert count == MOST_GROUPS + 1
    assert (entries[0].subject, entries[0].count) == ("others", 5_000 - MOST_GROUPS)


def test_nobody_hides_what_they_read_behind_many_other_reads(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock) as log:
        for number in range(MOST_GROUPS):
            log.append(Entry(kind="rows_read", words="rows", by="eve", how="token", model=f"decoy-{number}", count=1))
        for name, rows in (("eve", 700), ("eve", 7), ("ann", 5)):
            log.append(Entry(kind="rows_read", words="rows", by=name, how="token", model="churn", count=rows))
        clock.now += MINUTE
        log.flush()
        late = [(one.by, one.how, one.subject, one.count) for one in log.entries()[0][:2]]
    assert sorted(late) == [("ann", "token", "others", 5), ("eve", "token", "others", 707)]


def test_old_entries_are_cut_and_the_chain_stays_whole(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock, AuditLimits(10 * DAY, 1_000)) as log:
        log.append(*map(decided, "abc"))
        clock.now += 11 * DAY
        log.append(decided("d"))
        head = log.head
        log.prune()
        log.prune()
        result = verify_chain(map(entry_document, log.oldest_first()), head)
        assert (result.broken, result.first, result.entries) == (None, 4, 2)
        assert log.entries()[0][0].words == "entries 1 to 3 were removed"
        log.append(*map(decided, map(str, range(1_200))))
        log.prune()
        result = verified(log)
        assert (result.broken, result.entries) == (None, 1_001)
    with opened(tmp_path) as log:
        run(log._store.connect(), "DELETE FROM audit WHERE seq <= 300")
        assert verified(log).broken == 1


def test_an_entry_and_its_effect_are_stored_together_or_not_at_all(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        connection = log._store.connect(lasting=True)
        run(connection, "CREATE TABLE effects (a INTEGER)")
        with pytest.raises(DatabaseError), log.transaction(connection, [decided("a")]):
            run(connection, "INSERT INTO effects VALUES (1), ('not a number')")
        with log.transaction(connection, [decided("b")]):
            run(connection, "INSERT INTO effects VALUES (2)")
        assert connection.execute("FROM effects").fetchall() == [(2,)]
        assert [one.words for one in log.entries()[0]] == ["b"]
        assert verified(log).broken is None


def test_in_an_outage_attempts_and_sums_wait_and_decisions_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log._store.outage = "the disk is full"
        with pytest.raises(StorageOutage, match="the disk is full"):
            log.append(decided("a"))
        log.append(Entry(kind="login_failed", words="wrong token", subject="10.0.0.1"))
        log.append_or_keep(Entry(kind="attempted", words="opened: delivered"))
        log._store.outage = None
        log.append(decided("b"))
        log.close()
        assert sorted(one.words for one in log.entries()[0]) == ["b", "opened: delivered", "wrong token"]
        assert verified(log).broken is None


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\ud800", "\u202eevil", "x" * 100_000, "né\n", "'; DROP TABLE audit"])
def test_hostile_names_are_stored_printable_and_found_again(tmp_path: Path, name: str) -> None:
    with opened(tmp_path) as log:
        log.append(decided(name, model=name, by=name, why=name))
        ((entry,), count) = log.entries(name)
        assert (count, entry.model.isprintable(), len(entry.model) <= 1_000) == (1, True, True)
        assert verified(log).broken is None


def test_a_flood_of_baselines_cannot_push_a_decision_out(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock, AuditLimits(FOREVER, 1_000)) as log:
        connection = log._store.connect(lasting=True)
        log.append(decided("rolled back", by="ann", model="churn"))
        for minute in range(120):
            sent = [
                Entry(kind="baseline_set", words="sent", model=f"m-{minute}-{n}", why=f"digest {n}") for n in range(50)
            ]
            with log.transaction(connection, sent):
                pass
            clock.now += MINUTE
            log.flush()
            if minute == 60:
                log.append(Entry(kind="baseline_set", words="approved", by="bob", model="churn"))
        assert 1_100 < log.head.sequence <= 120 * (MOST_GROUPS + 1) + 2, "at most twenty of a minute and a sum"
        head = log.head
        log.prune()
        people = [one for one in log.oldest_first() if one.by]
        result = verify_chain(map(entry_document, log.oldest_first()), head)
        notes = log.entries(kinds=["pruned"])[0]
        assert [one.words for one in people] == ["rolled back", "approved"]
        assert result.broken is None
        assert result.entries == 1_000 + 2 + len(notes), "the newest thousand, and two older decisions"
        assert [note.words for note in reversed(notes)] == [
            f"entries {a} to {b} were removed" for a, b in result.removed
        ]
        run(connection, "UPDATE audit SET words = 'approved' WHERE seq = 1")
        assert verified(log).broken == 1
        run(connection, "UPDATE audit SET words = 'rolled back' WHERE seq = 1")
        run(connection, "DELETE FROM audit WHERE seq = 1")
        assert verified(log).broken == 1, "the note is about other entries"


def test_baselines_of_a_transaction_that_failed_are_not_counted(tmp_path: Path) -> None:
    clock = Clock()
    sent = Entry(kind="baseline_set", words="sent", model="churn")
    with opened(tmp_path, clock) as log:
        connection = log._store.connect(lasting=True)
        with pytest.raises(ValueError, match="later"), log.transaction(connection, [sent, sent]):
            raise ValueError("later")
        run(connection, "CREATE TABLE effects (a INTEGER)")
        with pytest.raises(DatabaseError), log.transaction(connection, [sent, sent]):
            run(connection, "INSERT INTO effects VALUES ('not a number')")
        with log.transaction(connection, [sent, sent, sent]):
            pass
        clock.now += MINUTE
        log.flush()
        assert [one.count for one in log.entries()[0]] == [2, None]
