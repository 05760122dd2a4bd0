"""Windows of more rows than are put in order: the same answers, from sums and samples, in memory that does not grow."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.evaluation.files import weak_slices
from driftline_processor.evaluation.files.baseline import build_from_files
from driftline_processor.evaluation.files.evaluate import EvaluationResult, evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.readers import json_rows, row_store, sources, spool
from driftline_processor.readers.row_store import RowStore
from msgspec import structs
from msgspec.structs import replace
from pyarrow import csv

from tests.support.slow import slow
from tests.support.unwrap import unwrap

FEW, ROWS, DAY = 1_500, 12_000, 86_400 * 10**9
START = 20_000 * DAY
REFERENCE, WEEK = "reference.parquet", "week.parquet"


@pytest.fixture
def few_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_store, "MOST_IN_MEMORY", FEW)
    monkeypatch.setattr(row_store, "CHUNK", 400)
    monkeypatch.setattr(spool, "BATCH", 700)
    monkeypatch.setattr(sources, "BATCH", 700)


def _rows(n: int, seed: int, kind: str, shuffled: bool = False) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    x, y = random.normal(0, 1, n), random.normal(2, 1, n)
    country = np.array(["NL", "BE", "DE"])[random.integers(0, 3, n)]
    at = np.arange(n) if not shuffled else random.permutation(n)
    time = START + at * (5 * DAY // n)
    told = {"x": x, "y": y, "country": country, "time": pa.array(time, pa.timestamp("ns"))}
    chance = 1 / (1 + np.exp(-x))
    wrong = (y > 3) & (random.random(n) < 0.5)
    if kind == "regression":
        return {**told, "score": x, "label": x + random.normal(0, 1, n) + 3 * wrong}
    happened = ((random.random(n) < chance) ^ wrong).astype(int)
    label = pa.array([None if lost else int(one) for one, lost in zip(happened, random.random(n) < 0.1, strict=True)])
    return {**told, "score": chance, "label": label}


def _without_numbers(one: Evaluation) -> tuple[str, str]:
    """Return an evaluation without its verdict, and the state of that."""
    return repr(replace(one, verdict=None)), unwrap(one.verdict).state


def _write(folder: Path, kind: str, shuffled: bool = False) -> EvaluationOptions:
    pq.write_table(pa.table(_rows(3_000, 1, kind)), folder / REFERENCE)
    pq.write_table(pa.table(_rows(ROWS, 2, kind, shuffled)), folder / WEEK, row_group_size=5_000)
    options = EvaluationOptions(
        model="m", task=kind, score=("score",), actual="label", time="time", slices=("country",), features=("x", "y")
    )
    build_from_files([folder / REFERENCE], options, _silent).save(folder / "b.json")
    return options


def _silent(_: str) -> None:
    pass


def _evaluate(
    folder: Path, cut: dict[str, Any], said: list[str] | None = None, files: Sequence[str] = (WEEK,)
) -> EvaluationResult:
    say = _silent if said is None else said.append
    paths = [folder / name for name in files]
    options = EvaluationOptions(time="time", mispredictions=20)
    return evaluate_files(EvaluationInputs(paths, folder / "b.json"), replace(options, **cut), say)


def _same_but_for_order(one: Evaluation, other: Evaluation) -> None:
    """Metrics are the same to nine digits; those from the order of scores within their own bound."""
    assert one.realized.keys() == other.realized.keys()
    for name, exact in one.realized.items():
        found = other.realized[name]
        assert found.rows == exact.rows
        if exact.value is None or found.value is None:
            assert exact.value == found.value
        else:
            assert found.value == pytest.approx(exact.value, rel=1e-9, abs=found.bound + 1e-12)


@pytest.mark.parametrize("kind", ["binary", slow("regression")])
@pytest.mark.parametrize("cut", [slow({}), {"window": "1d"}, {"window_rows": 5_000}], ids=["whole", "days", "rows"])
@pytest.mark.parametrize("shuffled", [slow(False), True], ids=["in order", "shuffled"])
def test_rows_in_chunks_say_what_all_at_once_say(
    kind: str, cut: dict[str, Any], shuffled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path, kind, shuffled)
    exact = _evaluate(tmp_path, cut)
    monkeypatch.setattr(row_store, "MOST_IN_MEMORY", FEW)
    monkeypatch.setattr(row_store, "CHUNK", 400)
    monkeypatch.setattr(spool, "BATCH", 700)
    monkeypatch.setattr(sources, "BATCH", 700)

    found = _evaluate(tmp_path, cut)

    assert found.verdict.state == exact.verdict.state
    assert len(found.evaluations) == len(exact.evaluations)
    for one, other in zip(exact.evaluations, found.evaluations, strict=True):
        _same_but_for_order(one, other)
        assert unwrap(one.verdict).state == unwrap(other.verdict).state
        assert {name: drift.state for name, drift in one.features.items()} == {
            name: drift.state for name, drift in other.features.items()
        }
        assert one.performance_slices.keys() == other.performance_slices.keys()
    assert found.concept == exact.concept
    assert [replace(one, rows=()) for one in found.wrong] == [replace(one, rows=()) for one in exact.wrong]
    assert [one.rows for one in found.wrong] == [one.rows for one in exact.wrong]


@pytest.mark.parametrize("column", ["label", slow("score"), slow("country"), "time", slow("x")])
def test_a_column_that_a_block_of_json_lacks_is_missing_there(
    column: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path, "binary")
    rows = pa.table(_rows(4_000, 2, "binary")).to_pandas()
    lines = [json.loads(line) for line in rows.to_json(orient="records", lines=True, date_format="iso").splitlines()]
    for line in lines[:2_000]:
        del line[column]
    week = tmp_path / "week.ndjson"
    week.write_text("".join(json.dumps(line) + "\n" for line in lines))
    [held] = _evaluate(tmp_path, {}, files=(week.name,)).evaluations
    monkeypatch.setattr(row_store, "MOST_IN_MEMORY", FEW)
    monkeypatch.setattr(row_store, "CHUNK", 400)
    monkeypatch.setattr(json_rows, "BLOCK", 20_000)
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", 1)

    [read] = _evaluate(tmp_path, {}, files=(week.name,)).evaluations

    assert read.rows == held.rows
    _same_but_for_order(held, read)
    assert read.performance_slices.keys() == held.performance_slices.keys()
    assert {name: one.state for name, one in read.features.items()} == {
        name: one.state for name, one in held.features.items()
    }


@pytest.mark.slow
@pytest.mark.usefixtures("few_in_memory")
def test_areas_from_bins_are_within_their_bound_of_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, "binary")
    [binned] = _evaluate(tmp_path, {}).evaluations
    monkeypatch.setattr(row_store, "MOST_IN_MEMORY", ROWS)
    [exact] = _evaluate(tmp_path, {}).evaluations

    for name in ("roc_auc", "average_precision", "ks"):
        value, bound = binned.realized[name].value, binned.realized[name].bound
        known = unwrap(exact.realized[name].value)
        assert value is not None
        assert 0 < bound < 0.01
        assert abs(value - known) <= bound
        assert (binned.realized[name].source, exact.realized[name].source) == ("panes", "rows")


@pytest.mark.slow
@pytest.mark.usefixtures("few_in_memory")
def test_weak_slices_of_many_rows_come_from_a_sample_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weak_slices, "MOST_ROWS", 8_000)
    _write(tmp_path, "binary")
    said: list[str] = []

    [first] = _evaluate(tmp_path, {}, said).evaluations
    [again] = _evaluate(tmp_path, {}).evaluations

    assert first.weak is not None
    assert first.weak == again.weak
    assert 4_000 <= first.weak.rows <= 8_000
    assert "y" in {condition.feature for one in first.weak.slices for condition in one.conditions}
    assert any(f"a sample of {first.weak.rows:,} of {ROWS:,} rows" in sentence for sentence in said)
    assert any("bins of scores" in sentence for sentence in said)


@pytest.mark.slow
@pytest.mark.usefixtures("few_in_memory")
def test_several_files_are_one_set_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, "binary")
    table = pq.read_table(tmp_path / WEEK)
    pq.write_table(table.slice(0, 5_000), tmp_path / "late.parquet")
    pq.write_table(table.slice(5_000), tmp_path / "early.parquet")

    together = _evaluate(tmp_path, {"window": "1d"}, files=("early.parquet", "late.parquet"))
    monkeypatch.setattr(row_store, "MOST_IN_MEMORY", ROWS)
    exact = _evaluate(tmp_path, {"window": "1d"})

    assert together.concept == exact.concept
    for one, other in zip(exact.evaluations, together.evaluations, strict=True):
        _same_but_for_order(one, other)


def test_a_large_csv_has_the_same_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, "binary")
    csv.write_csv(pq.read_table(tmp_path / WEEK), tmp_path / "week.csv")
    held = _evaluate(tmp_path, {"window": "1d"}, files=("week.csv",))
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", 1_000)
    monkeypatch.setattr(row_store, "MOST_IN_MEMORY", FEW)

    streamed = _evaluate(tmp_path, {"window": "1d"}, files=("week.csv",))

    assert streamed.concept == held.concept
    assert [one.rows for one in streamed.wrong] == [one.rows for one in held.wrong]
    for one, other in zip(held.evaluations, streamed.evaluations, strict=True):
        _same_but_for_order(one, other)


@pytest.mark.usefixtures("few_in_memory")
def test_a_store_without_room_for_files_holds_its_arrays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(_file: int, _size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(row_store, "_reserve", no_room)
    values = RowStore().full(2 * FEW, 7, np.int64)
    assert values.sum() == 14 * FEW


@pytest.mark.usefixtures("few_in_memory")
def test_what_was_given_back_to_the_system_is_still_there() -> None:
    store = RowStore()
    kept = store.keep(np.arange(3 * FEW))
    store.release()
    assert store.keep(kept) is kept
    assert kept.tolist() == list(range(3 * FEW))


@pytest.mark.usefixtures("few_in_memory")
def test_the_room_of_an_array_is_free_once_nobody_holds_it() -> None:
    def mapped() -> int:
        return sum("(deleted)" in line for line in Path("/proc/self/maps").read_text().splitlines())

    store, before = RowStore(), mapped()
    some = store.keep(np.arange(2 * FEW))
    part = some[FEW:]
    assert mapped() == before + 1
    del some
    assert mapped() == before + 1
    store.release()
    assert part.sum() == sum(range(FEW, 2 * FEW))
    del part
    assert mapped() == before


MEASURE = """
import sys
from pathlib import Path
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
folder = Path(sys.argv[1])
evaluate_files(EvaluationInputs([folder / "many.parquet"], folder / "b.json"), EvaluationOptions(), lambda _: None)
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""

CEILING = 300 << 10
"""KiB at most of a process that evaluates two million labelled rows: it takes 174 MiB, and took 531 when all rows were
held. The peak of ``getrusage`` begins with that of the parent, so the system is asked for that of the process."""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_two_million_labelled_rows_stays_below_a_ceiling(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    n = 2_000_000
    chance = random.random(n)
    columns = {"x": random.normal(0, 1, n), "score": chance, "label": (random.random(n) < chance).astype(np.int64)}
    table = pa.table(columns)
    pq.write_table(table, tmp_path / "many.parquet")
    pq.write_table(table.slice(0, 20_000), tmp_path / REFERENCE)
    options = EvaluationOptions(model="m", task="binary", score=("score",), actual="label")
    build_from_files([tmp_path / REFERENCE], options, _silent).save(tmp_path / "b.json")

    done = subprocess.run([sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True, check=True)

    assert int(done.stdout) < CEILING


def _write_apart(folder: Path, timed: bool) -> None:
    """Write rows of which some share an id, and outcomes in any order: corrected, taken back, of unknown ids."""
    random = np.random.default_rng(5)
    pq.write_table(pa.table(_rows(3_000, 1, "binary")), folder / REFERENCE)
    told = _rows(ROWS, 2, "binary", shuffled=True)
    label = told.pop("label").to_pylist()
    ids = [f"r{at % (ROWS - 50)}" for at in range(ROWS)]
    rows = pa.table({"id": ids, **told})
    pq.write_table(rows.slice(0, 5_000), folder / "first.parquet")
    pq.write_table(rows.slice(5_000), folder / "second.parquet", row_group_size=3_000)
    chosen = random.permutation([at for at in range(ROWS) if label[at] is not None])[: ROWS - 2_000]
    again = random.choice(chosen, 1_500)
    places = np.concatenate([chosen, again])
    n = len(places)
    outcomes: dict[str, Any] = {
        "id": [ids[at] for at in places] + ["strange", "unknown", "strange"],
        "actual": [label[at] for at in chosen] + random.integers(0, 2, len(again)).tolist() + [1, 0, 7],
        "retracted": [False] * len(chosen) + (random.random(len(again)) < 0.3).tolist() + [False] * 3,
        "weight": np.where(random.random(n + 3) < 0.1, np.nan, random.integers(1, 4, n + 3)),
        "slice.segment": [f"s{one}" for one in random.integers(0, 3, n + 3)],
    }
    if timed:
        predicted = told["time"].cast(pa.int64()).to_numpy()[places]
        heard = predicted + random.integers(1, 3 * DAY, n)
        outcomes["time"] = pa.array(np.append(heard, [START] * 3), pa.timestamp("ns"))
    pq.write_table(pa.table(outcomes), folder / "outcomes.parquet")
    csv.write_csv(pa.table(outcomes), folder / "outcomes.csv")


@pytest.mark.slow
@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize(("timed", "form"), [(True, "parquet"), (False, "parquet"), (True, "csv")])
def test_many_outcomes_apart_join_as_few_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timed: bool, form: str, sampled: bool
) -> None:
    _write_apart(tmp_path, timed)
    options = EvaluationOptions(
        model="m",
        task="binary",
        score=("score",),
        actual="label",
        time="time",
        slices=("country",),
        features=("x", "y"),
    )
    build_from_files([tmp_path / REFERENCE], options, _silent).save(tmp_path / "b.json")
    files = [tmp_path / "first.parquet", tmp_path / "second.parquet"]
    declared = tmp_path / "driftline.yaml"
    declared.write_text("models: {m: {performance: {outcomes: sampled}}}")

    def evaluated(said: list[str]) -> EvaluationResult:
        rows = EvaluationOptions(time="time", id="id", slices=("country", "segment"), window="12h")
        rows = structs.replace(rows, performance=declared if sampled else None)
        return evaluate_files(
            EvaluationInputs(files, tmp_path / "b.json", tmp_path / f"outcomes.{form}"), rows, said.append
        )

    said, said_of_many = list[str](), list[str]()
    whole = evaluated(said)
    monkeypatch.setattr(row_store, "MOST_IN_MEMORY", FEW)
    monkeypatch.setattr(row_store, "CHUNK", 400)
    monkeypatch.setattr(spool, "BATCH", 700)
    monkeypatch.setattr(sources, "BATCH", 700)
    parts = evaluated(said_of_many)
    assert said_of_many == said
    assert any("2 outcomes with an id that no row has in 'id', such as " in one for one in said)
    # the verdict is that of days, which have too many rows to sort
    assert [_without_numbers(one) for one in parts.evaluations] == [_without_numbers(one) for one in whole.evaluations]
    assert repr(parts.concept) == repr(whole.concept)
    assert parts.delay == whole.delay
    assert any("without a weight are ignored" in one for one in said) == sampled
    assert sum(one.outcome_rows for one in whole.evaluations) > (8_000 if sampled else 9_000)
