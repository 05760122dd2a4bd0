"""One file, one process; what is not committed was never there; what is remembered is found again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from driftline.tables import Column
from driftline_processor.runtime.rows import actual_of, outcome_rows, prediction_rows, scores_of
from driftline_processor.runtime.seen import Seen, digest_of
from driftline_processor.runtime.store import (
    StorageError,
    Store,
    insert,
    mark,
    read,
    set_mark,
    transaction,
)
from driftline_processor.runtime.take import concatenate_predictions, likeness, take_predictions

from .state_rows import NOON, outcomes, predictions


def test_a_transaction_that_raises_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    connection = store.connect()

    def fail() -> None:
        with transaction(connection):
            set_mark(connection, "here", 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with transaction(connection):
        set_mark(connection, "there", 2)
    assert (mark(connection, "here"), mark(connection, "there")) == (0, 2)
    store.close()


def test_a_second_process_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    store = Store(tmp_path)
    code = (
        "import sys; from pathlib import Path; from driftline_processor.runtime.store import *\n"
        "try: Store(Path(sys.argv[1]))\n"
        "except StorageError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == (
        f"storage.directory: {tmp_path} is held by another process; stop the other 'driftline up', "
        "or name another directory\n"
    )
    store.close()


def test_ids_that_were_stored_without_their_number_get_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    rows = prediction_rows(predictions(["a", "b", "", "ü"]), 1, 1, None, NOON)
    insert(store.connect(), "predictions", rows.drop_columns("request"))
    store.close()
    store = Store(tmp_path)
    found = read(store.connect(), "SELECT request FROM predictions ORDER BY seq")
    assert found["request"].to_pylist() == rows["request"].to_pylist()
    store.close()


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files as they are when a process dies after twenty transactions of ten rows."""
    directory = tmp_path_factory.mktemp("crashed")
    store = Store(directory / "alive")
    connection = store.connect()
    for at in range(20):
        ids = [str(at * 10 + i) for i in range(10)]
        insert(connection, "predictions", prediction_rows(predictions(ids), 1, at * 10 + 1, None, NOON))
    shutil.copytree(directory / "alive", directory / "dead")
    store.close()
    return directory / "dead"


@pytest.mark.parametrize(
    ("kept", "intact"), [(1.0, [200]), (0.999, [190]), (0.75, range(10, 190)), (0.5, range(10, 190)), (0.0, [0])]
)
def test_a_torn_log_keeps_the_transactions_before_the_tear(
    tmp_path: Path, crashed: Path, kept: float, intact: Sequence[int]
) -> None:
    shutil.copytree(crashed, tmp_path / "torn")
    log = tmp_path / "torn" / "driftline.duckdb.wal"
    log.write_bytes(log.read_bytes()[: int(log.stat().st_size * kept)])
    store = Store(tmp_path / "torn")
    rows, last = (
        read(store.connect(), "SELECT count(*) AS rows, max(seq) AS last FROM predictions").to_pylist()[0].values()
    )
    assert rows in intact
    assert rows % 10 == 0
    assert (last or 0) == rows
    store.close()


def test_a_damaged_log_is_named(tmp_path: Path, crashed: Path) -> None:
    shutil.copytree(crashed, tmp_path / "damaged")
    log = tmp_path / "damaged" / "driftline.duckdb.wal"
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 0xFF
    log.write_bytes(data)
    with pytest.raises(StorageError, match=r"the file in .*damaged is damaged; move it away to begin anew \("):
        Store(tmp_path / "damaged")


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"storage.directory: .*file/below cannot be written \(.*\); name another"):
        Store(tmp_path / "file" / "below")


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    set_mark(store.connect(), "schema", 99)
    store.close()
    with pytest.raises(StorageError, match=r"written by another version of Driftline \(schema 99, this one knows 1\)"):
        Store(tmp_path)


def test_predictions_are_read_back_as_they_were(tmp_path: Path) -> None:
    store = Store(tmp_path)
    connection = store.connect()
    scored = [[0.1, 0.9], [0.5, 0.5], [1.0, 0.0]]
    table = predictions(["a", "é", ""], [1, 2, 3], scored, weight=[1.0, float("nan"), 2.0])
    table.trace_id = np.frombuffer(bytes(16) + bytes(range(16)) + bytes(16), dtype="V16")
    decided = Column(codes=np.array([1, -1, 0], dtype=np.int32), labels=("no", "yes"))
    insert(connection, "predictions", prediction_rows(table, 7, 1, decided, NOON))
    rows = read(connection, "SELECT * FROM predictions ORDER BY seq")
    assert rows.column("id").to_pylist() == ["a", "é", ""]
    assert rows.column("predicted").to_pylist() == ["yes", None, "no"]
    assert rows.column("weight").to_pylist() == [1.0, None, 2.0]
    assert rows.column("trace_id").to_pylist() == [None, bytes(range(16)), None]
    scores = scores_of(rows, 2)
    assert scores is not None
    assert scores.tolist() == scored
    other = scores_of(rows, 3)
    assert other is not None
    assert np.isnan(other).all()
    store.close()


def test_an_actual_is_read_back_as_it_was_sent(tmp_path: Path) -> None:
    store = Store(tmp_path)
    connection = store.connect()
    insert(connection, "outcomes", outcome_rows(outcomes(["a", "b", "c"], [1, "yes", None]), 1, NOON))
    actual = actual_of(read(connection, "SELECT * FROM outcomes ORDER BY seq"))
    assert actual.numbers is not None
    assert actual.codes is not None
    assert (actual.numbers[0], actual.codes.tolist(), actual.labels) == (1.0, [-1, 0, -1], ("yes",))
    store.close()


def test_seen_digests_are_found_in_every_place_they_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftline_processor.runtime.seen._FEW", 100)
    store = Store(tmp_path)
    connection = store.connect()
    digests = [digest_of(b"%d" % i) for i in range(350)]
    seen = Seen(connection, "batches", keep=1_000, now=0)
    for at, digest in enumerate(digests):
        seen.add(digest, at)
    seen.write(connection, digests, 349)
    again = Seen(connection, "batches", keep=1_000, now=500)
    for one in (seen, again):
        assert all(digest in one for digest in digests)
        assert digest_of(b"350") not in one
    seen.expire(1_150)  # the first block is older than 1,000 by now
    assert [digest in seen for digest in (digests[0], digests[150], digests[349])] == [False, True, True]
    assert digests[0] not in Seen(connection, "batches", keep=1_000, now=1_400)
    store.close()


def test_tables_that_are_alike_become_one() -> None:
    one = predictions(["a", "bc"], [1, 2], features={"x": [1.0, "u"], "y": [3, 4]})
    two = predictions(["d"], [3], features={"x": ["v"], "z": [5]})
    assert likeness(one) == likeness(two)
    whole = concatenate_predictions([one, two])
    assert (whole.id.data, whole.id.offsets.tolist(), whole.time.tolist()) == (b"abcd", [0, 1, 3, 4], [1, 2, 3])
    x = whole.features["x"]
    assert x.codes is not None
    assert [x.labels[code] if code >= 0 else None for code in x.codes.tolist()] == [None, "u", "v"]
    assert np.isnan(whole.features["z"].numbers).tolist() == [True, True, False]  # type: ignore[arg-type]
    assert whole.scores is not None
    assert whole.scores.shape == (3, 1)


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
    assert likeness(predictions(["a"])) != likeness(other)  # type: ignore[arg-type]


def test_rows_are_taken_with_all_that_belongs_to_them() -> None:
    table = predictions(
        ["a", "bcd", "ef"],
        [1, 2, 3],
        [0.1, 0.2, 0.3],
        predicted=["x", "y", "x"],
        features={"f": [7, 8, 9]},
        duration=[1, 2, 3],
    )
    some = take_predictions(table, np.array([2, 0]))
    assert (some.id.data, some.id.offsets.tolist()) == (b"efa", [0, 2, 3])
    assert some.time.tolist() == [3, 1]
    assert some.scores is not None
    assert some.scores[:, 0].tolist() == [0.3, 0.1]
    assert some.predicted is not None
    assert some.predicted.codes is not None
    assert some.predicted.codes.tolist() == [0, 0]
    assert some.features["f"].numbers is not None
    assert some.features["f"].numbers.tolist() == [9, 7]
    assert some.duration is not None
    assert some.duration.tolist() == [3, 1]
