"""One file, one process; what is not committed was never there; what is remembered is found again."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from driftline.tables.table import Column
from driftline_processor.ingest.deduplication import SeenDigests, digest_of
from driftline_processor.present.wording import iso_time
from driftline_processor.receipts import StorageOutage
from driftline_processor.store.arrow_tables import (
    actual_of,
    concatenate_predictions,
    outcome_rows,
    prediction_rows,
    scores_of,
    table_layout,
    take_table,
)
from driftline_processor.store.database import (
    Connection,
    StorageError,
    Store,
    insert,
    mark,
    number,
    read,
    set_mark,
    transaction,
)

from tests.support.facts import lacking
from tests.support.state_rows import MINUTE, NOON, outcomes, predictions
from tests.support.unwrap import unwrap


def test_a_transaction_that_raises_leaves_nothing(connection: Connection) -> None:

    def fail() -> None:
        with transaction(connection):
            set_mark(connection, "here", 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with transaction(connection):
        set_mark(connection, "there", 2)
    assert (mark(connection, "here"), mark(connection, "there")) == (0, 2)


@pytest.mark.slow
def test_a_second_process_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    store = Store(tmp_path)
    code = (
        "import sys; from pathlib import Path; from driftline_processor.store.database import *\n"
        "try: Store(Path(sys.argv[1]))\n"
        "except StorageError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert lacking(done.stdout, "storage.directory:", f"{tmp_path}", "'driftline up'") == []
    store.close()


STAMPS = [NOON + at * MINUTE for at in range(20)]
"""When each transaction of ``crashed`` was acknowledged."""


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files as they are when a process dies after twenty transactions of ten rows, the first in the file itself."""
    directory = tmp_path_factory.mktemp("crashed")
    store = Store(directory / "alive")
    connection = store.connect()
    for at in range(20):
        ids = [str(at * 10 + i) for i in range(10)]
        with transaction(connection):
            insert(connection, "predictions", prediction_rows(predictions(ids), 1, at * 10 + 1, None, NOON))
            store.stamp(connection, STAMPS[at])
        store.acknowledge()
        if at == 0:
            connection.execute("CHECKPOINT")
    shutil.copytree(directory / "alive", directory / "dead")
    store.close()
    return directory / "dead"


def rows_of(store: Store) -> int:
    (found,) = read(
        store.connect(), "SELECT count(*) AS rows, coalesce(max(seq), 0) AS last FROM predictions"
    ).to_pylist()
    assert found["rows"] == found["last"]
    rows: int = found["rows"]
    return rows


def missing(
    directory: Path, since: int, why: str = "its write-ahead log was truncated, lost or moved away", last: int = 0
) -> str:
    return (
        f"storage.directory: data acknowledged from {iso_time(since) if since else 'the beginning'} to "
        f"{iso_time(last or STAMPS[-1])} was lost in {directory}/driftline.duckdb: {why}; "
        "the part that is still in the log "
        "of requests is stored again, and the senders must send the rest again if they still have it"
    )


@pytest.mark.parametrize(
    ("kept", "intact"), [(1.0, [200]), (0.999, [190]), (0.75, range(20, 190)), (0.5, range(20, 190)), (0.0, [10])]
)
def test_a_torn_log_keeps_the_transactions_before_the_tear_and_names_the_gap(
    tmp_path: Path, crashed: Path, kept: float, intact: Sequence[int], caplog: pytest.LogCaptureFixture
) -> None:
    torn = tmp_path / "torn"
    shutil.copytree(crashed, torn)
    log = torn / "driftline.duckdb.wal"
    log.write_bytes(log.read_bytes()[: int(log.stat().st_size * kept)])
    store = Store(torn)
    rows = rows_of(store)
    assert rows in intact
    assert rows % 10 == 0
    gap = missing(torn, STAMPS[rows // 10 - 1]) if rows < 200 else None
    assert store.gap == gap
    assert caplog.records == [], "the state knows whether the log of requests has what is missing"
    store.close()


def test_a_log_that_is_gone_leaves_a_gap_until_the_next_request(tmp_path: Path, crashed: Path) -> None:
    state = tmp_path / "state"
    shutil.copytree(crashed, state)
    (state / "driftline.duckdb.wal").unlink()
    for _ in range(2):
        store = Store(state)
        assert (rows_of(store), store.gap) == (10, missing(state, STAMPS[0]))
        store.close()
    store = Store(state)
    connection = store.connect()
    with transaction(connection):
        store.stamp(connection, STAMPS[-1] + MINUTE)
    store.acknowledge()
    store.close()
    assert Store(state).gap is None


@pytest.mark.parametrize("received", [0, STAMPS[3], STAMPS[-1] + MINUTE])
@pytest.mark.parametrize("has_mark", [True, False])
def test_a_file_that_is_missing_next_to_a_mark_is_a_gap(
    tmp_path: Path, crashed: Path, received: int, has_mark: bool
) -> None:
    state = tmp_path / "state"
    shutil.copytree(crashed, state)
    for name in ("driftline.duckdb", "driftline.duckdb.wal", *(() if has_mark else ("driftline.acknowledged",))):
        (state / name).unlink()
    last = max(received, STAMPS[-1] if has_mark else 0)
    store = Store(state, received=received)
    assert store.gap == (missing(state, 0, "the file is missing", last) if last else None)
    store.close()


def test_a_new_directory_has_no_gap(tmp_path: Path) -> None:
    assert Store(tmp_path).gap is None


def set_aside(state: Path) -> Path:
    (folder,) = state.glob("damaged-*")
    return folder


def test_a_damaged_log_is_set_aside_and_everything_before_the_damage_is_kept(tmp_path: Path, crashed: Path) -> None:
    state = tmp_path / "damaged"
    shutil.copytree(crashed, state)
    log = state / "driftline.duckdb.wal"
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 0xFF
    log.write_bytes(data)
    store = Store(state)
    folder = set_aside(state)
    assert (folder / log.name).read_bytes() == data
    rows = rows_of(store)
    assert rows in range(20, 190)
    assert store.gap == missing(state, STAMPS[rows // 10 - 1])
    said = unwrap(store.damage)
    assert said == (folder / "reason.txt").read_text().strip()
    first, last = iso_time(STAMPS[0]), iso_time(STAMPS[-1])
    parts = ("storage.directory:", f"{log} was damaged", f"set aside in {folder}", f"from {first} to {last} is missing")
    assert lacking(said, *parts) == []
    store.close()


@pytest.mark.parametrize("damage", ["header", "cut", "empty", "blocks"])
def test_a_damaged_file_is_set_aside_and_a_new_one_opens(
    tmp_path: Path, crashed: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state"
    shutil.copytree(crashed, state)
    Store(state).close()
    caplog.clear()
    file = state / "driftline.duckdb"
    data = file.read_bytes()
    flipped = data[:12288] + bytes(byte ^ 0x55 for byte in data[12288:])
    changed = {"header": bytes(64) + data[64:], "cut": data[: len(data) // 2], "empty": b"", "blocks": flipped}[damage]
    file.write_bytes(changed)
    store = Store(state)
    assert (rows_of(store), store.gap, store.outage) == (0, None, None)
    folder = set_aside(state)
    assert (folder / file.name).read_bytes() == changed
    copied = "[0-9]+ rows? could be read and are kept; lost: .*" if damage == "cut" else "no table could be read"
    kept = "rows that were stored are not read again from the log, so that kept tables count each row once"
    effect = f"({kept}.*|the requests that are still in the log are stored again)"
    assert re.fullmatch(
        rf"storage\.directory: the file {file} was damaged \(.*\) and is set aside in {folder}; {copied}; "
        rf"{effect}; to have all data, stop driftline and "
        r"restore a backup with 'driftline state restore'; delete the folder when you no longer need it, because "
        r"deletions of rows do not reach it",
        unwrap(store.damage),
    )
    assert [record.getMessage() for record in caplog.records] == [f"driftline: {store.damage}"]
    store.close()
    shutil.rmtree(folder)
    store = Store(state)
    assert store.damage is None
    store.close()


def test_of_a_file_with_a_damaged_block_the_other_rows_are_kept(tmp_path: Path, crashed: Path) -> None:
    state = tmp_path / "state"
    shutil.copytree(crashed, state)
    store = Store(state)
    connection = store.connect()
    connection.execute("INSERT INTO requests SELECT ''::BLOB, (hash(range) % 1000000)::BIGINT FROM range(600000)")
    connection.execute("CHECKPOINT")
    kept = rows_of(store)
    store.close()
    file = state / "driftline.duckdb"
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF  # among the blocks of the large table
    file.write_bytes(damaged)
    store = Store(state)
    assert store.damage is None  # the block was not read yet
    said = r"is damaged .*; restart driftline, which sets the file aside"
    with pytest.raises(StorageOutage, match=said), store.watched():
        store.connect().execute("SELECT sum(received), max(digest) FROM requests").fetchall()
    store.close()
    store = Store(state)
    requests = number(store.connect(), "SELECT count(*) FROM requests") or 0
    assert (rows_of(store), requests in range(400_000, 600_000)) == (kept, True)
    assert f"lost: requests ({600_000 - requests:,} rows)" in unwrap(store.damage)
    store.close()


def test_a_connection_reaches_no_other_file_no_extension_and_no_setting(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    store = Store(tmp_path / "state")
    connection = store.connect(lasting=True)
    for statement in (
        f"FROM read_csv('{tmp_path}/secret.csv')",
        f"FROM '{tmp_path}/secret.csv'",
        f"FROM read_text('{tmp_path}/state/erase.json')",
        f"COPY predictions TO '{tmp_path}/out.parquet'",
        f"ATTACH '{tmp_path}/other.duckdb' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET autoload_known_extensions = true",
    ):
        with pytest.raises(duckdb.Error, match=r"disabled|locked"):
            connection.execute(statement)
    store.rewrite()  # its copy is the one other file
    store.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["secret.csv", "state"]


def modes(directory: Path) -> dict[str, str]:
    return {entry.name: oct(stat.S_IMODE(entry.stat().st_mode)) for entry in (directory, *directory.iterdir())}


def test_a_state_is_private_also_one_that_was_not(tmp_path: Path, crashed: Path) -> None:
    state = tmp_path / "state"
    shutil.copytree(crashed, state)
    (state / "driftline.duckdb.tmp").mkdir()
    (state / "erase.json").write_text("[]")
    for entry in (state, *state.iterdir()):
        entry.chmod(0o755 if entry.is_dir() else 0o644)
    store = Store(state)
    private = dict.fromkeys(
        ["driftline.duckdb", "driftline.duckdb.wal", "driftline.acknowledged", "erase.json"], "0o600"
    )
    assert modes(state) == {**private, "state": "0o700", "driftline.duckdb.tmp": "0o700"}
    store.rewrite()
    assert modes(state)["driftline.duckdb"] == "0o600"
    store.close()
    assert modes(tmp_path / "state")["state"] == "0o700"


def test_a_directory_with_files_of_others_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "driftline.yaml").write_text("")
    (tmp_path / "driftline.yaml").chmod(0o644)
    Store(tmp_path).close()
    found = modes(tmp_path)
    assert (found[tmp_path.name], found["driftline.yaml"], found["driftline.duckdb"]) == ("0o755", "0o644", "0o600")


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"storage.directory: .*file/below cannot be written \(.*\); use another"):
        Store(tmp_path / "file" / "below")


def test_predictions_are_read_back_as_they_were(connection: Connection) -> None:
    scored = [[0.1, 0.9], [0.5, 0.5], [1.0, 0.0]]
    table = predictions(["a", "é", ""], [1, 2, 3], scored, weight=[1.0, float("nan"), 2.0])
    table.trace_id = np.frombuffer(bytes(16) + bytes(range(16)) + bytes(16), dtype="V16")
    decided = Column(codes=np.array([1, -1, 0], dtype=np.int32), categories=("no", "yes"))
    insert(connection, "predictions", prediction_rows(table, 7, 1, decided, NOON))
    rows = read(connection, "SELECT * FROM predictions ORDER BY seq")
    assert rows.column("id").to_pylist() == ["a", "é", ""]
    assert rows.column("predicted").to_pylist() == ["yes", None, "no"]
    assert rows.column("weight").to_pylist() == [1.0, None, 2.0]
    assert rows.column("trace_id").to_pylist() == [None, bytes(range(16)), None]
    scores = unwrap(scores_of(rows, 2))
    assert scores.tolist() == scored
    other = unwrap(scores_of(rows, 3))
    assert np.isnan(other).all()


def test_an_actual_is_read_back_as_it_was_sent(connection: Connection) -> None:
    insert(connection, "outcomes", outcome_rows(outcomes(["a", "b", "c"], [1, "yes", None]), 1, NOON))
    actual = actual_of(read(connection, "SELECT * FROM outcomes ORDER BY seq"))
    assert (unwrap(actual.numbers)[0], unwrap(actual.codes).tolist(), actual.categories) == (1.0, [-1, 0, -1], ("yes",))


def test_the_time_of_a_seen_digest_is_not_confused_across_a_deletion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftline_processor.ingest.deduplication._FEW", 100)
    store = Store(tmp_path)
    connection = store.connect()
    digests = [digest_of(b"%d" % i) for i in range(140)]
    first = SeenDigests(connection, "batches", keep=1_000, now=0)
    first.write(connection, digests[:50], 50)
    first.write(connection, digests[50:70], 70)

    seen = SeenDigests(connection, "batches", 1_000, 100, {60, 90})
    for digest in digests[70:]:
        seen.add(digest, 120)

    times = [seen.received(digest) for digest in digests]
    assert all(time is not None and time <= 60 for time in times[:50])
    assert all(time is not None and 60 < time <= 90 for time in times[50:70])
    assert times[70:] == [120] * 70
    assert seen.received(digest_of(b"140")) is None
    seen.add(digests[0], 130)
    assert seen.received(digests[0]) == 130
    store.close()


def test_seen_digests_are_found_in_every_place_they_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftline_processor.ingest.deduplication._FEW", 100)
    store = Store(tmp_path)
    connection = store.connect()
    digests = [digest_of(b"%d" % i) for i in range(350)]
    seen = SeenDigests(connection, "batches", keep=1_000, now=0)
    for at, digest in enumerate(digests):
        seen.add(digest, at)
    seen.write(connection, digests, 349)
    again = SeenDigests(connection, "batches", keep=1_000, now=500)
    for one in (seen, again):
        assert all(digest in one for digest in digests)
        assert digest_of(b"350") not in one
    seen.expire(1_150)  # the first block is older than 1,000 by now
    assert [digest in seen for digest in (digests[0], digests[150], digests[349])] == [False, True, True]
    assert digests[0] not in SeenDigests(connection, "batches", keep=1_000, now=1_400)
    store.close()


def test_tables_that_are_alike_become_one() -> None:
    one = predictions(["a", "bc"], [1, 2], features={"x": [1.0, "u"], "y": [3, 4]})
    two = predictions(["d"], [3], features={"x": ["v"], "z": [5]})
    assert table_layout(one) == table_layout(two)
    whole = concatenate_predictions([one, two])
    assert (whole.id.data, whole.id.offsets.tolist(), whole.time.tolist()) == (b"abcd", [0, 1, 3, 4], [1, 2, 3])
    x = whole.features["x"]
    assert [x.categories[code] if code >= 0 else None for code in unwrap(x.codes).tolist()] == [None, "u", "v"]
    assert np.isnan(whole.features["z"].numbers).tolist() == [True, True, False]  # type: ignore[arg-type]
    assert unwrap(whole.scores).shape == (3, 1)


@pytest.mark.parametrize(
    "other",
    [
        predictions(["a"], version="2"),
        predictions(["a"], keyed=False),
        predictions(["a"], scores=[[0.1, 0.9]]),
        predictions(["a"], weight=[1.0]),
        predictions(["a"], predicted=["1"]),
    ],
)
def test_tables_that_differ_stay_apart(other: object) -> None:
    assert table_layout(predictions(["a"])) != table_layout(other)  # type: ignore[arg-type]


def test_rows_are_taken_with_all_that_belongs_to_them() -> None:
    table = predictions(
        ["a", "bcd", "ef"],
        [1, 2, 3],
        [0.1, 0.2, 0.3],
        predicted=["x", "y", "x"],
        features={"f": [7, 8, 9]},
        duration=[1, 2, 3],
    )
    some = take_table(table, np.array([2, 0]))
    assert (some.id.data, some.id.offsets.tolist()) == (b"efa", [0, 2, 3])
    assert some.time.tolist() == [3, 1]
    assert unwrap(some.scores)[:, 0].tolist() == [0.3, 0.1]
    assert some.predicted is not None
    assert unwrap(some.predicted.codes).tolist() == [0, 0]
    assert unwrap(some.features["f"].numbers).tolist() == [9, 7]
    assert unwrap(some.duration).tolist() == [3, 1]


def test_a_large_table_keeps_the_order_of_its_rows_and_lacks_nothing(connection: Connection) -> None:
    n = 300_000  # more than two groups of rows of DuckDB
    values = np.random.default_rng(1).random(n)
    chunks = [pa.table({"seq": np.arange(n), "number": values}).slice(at, 7_001) for at in range(0, n, 7_001)]
    insert(connection, "outcomes", pa.concat_tables(chunks))
    found = read(connection, "SELECT seq, number, id FROM outcomes ORDER BY rowid")
    assert np.array_equal(found["seq"].to_numpy(), np.arange(n))
    assert np.array_equal(found["number"].to_numpy(), values)
    assert found["id"].null_count == n
