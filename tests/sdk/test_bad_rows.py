"""One bad row never takes its neighbours with it, wherever rows are turned into something together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from driftline.batch import prediction_batch
from driftline.batch.prediction_batch import PredictionBatch
from driftline.export import otlp_logs, records
from driftline.faults import FAULTS, MOST_FAILURES, retry_in_halves
from driftline.semconv import events
from driftline.tables import column_codec
from driftline.tables.column_codec import strings
from hypothesis import given
from hypothesis import strategies as st

from tests.support.service import NOW, Service, returns

BAD = 617


class Unreadable:
    """A number that cannot be read."""

    def __float__(self) -> float:
        raise ZeroDivisionError("hostile")


@pytest.fixture(autouse=True)
def _swallowing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FAULTS, "raising", False)
    FAULTS.drain()


def _ids(service: Service) -> list[str]:
    return [id for table in service.tables() for id in strings(table.id)]


def _expected() -> list[str]:
    return [str(i) for i in range(1000) if i != BAD]


def test_one_bad_row_among_a_thousand_single_rows_is_the_only_one_that_is_lost(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = service.model()
    monkeypatch.setattr(model._pipeline, "_rouse", lambda: None)  # no thread takes the row before it goes bad
    score = model.predict(returns(0.25), id="id")
    for i in range(1000):
        score({"id": str(i), "x": float(i)})
    waiting = model._pipeline._rows._items
    entry = waiting[BAD]
    assert isinstance(entry, tuple)
    waiting[BAD] = (*entry[:6], Unreadable(), *entry[7:])  # what nobody foresaw
    service.flush()

    assert _ids(service) == _expected()
    assert service.counts() == {(("ml.prediction.class", "0"),): 999}


def test_one_bad_row_that_cannot_be_encoded_is_the_only_one_that_is_lost(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = column_codec.encode

    def encode_most(given: dict[str, Any]) -> Any:
        if float(BAD) in given["driftline.feature.value.x"]:
            raise ZeroDivisionError("hostile")
        return encode(given)

    monkeypatch.setattr(column_codec, "encode", encode_most)
    score = service.model().predict(returns(0.25), id="id")
    for i in range(1000):
        score({"id": str(i), "x": float(i)})
    service.flush()

    assert _ids(service) == _expected()


def test_a_batch_that_cannot_be_joined_to_others_is_a_record_of_its_own(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge = prediction_batch.merge_batches

    def merge_most(blocks: Sequence[PredictionBatch]) -> PredictionBatch:
        if len(blocks) > 1 and any(2.0 in one.features["f0"] for one in blocks):  # type: ignore[operator]
            raise ZeroDivisionError("hostile")
        return merge(blocks)

    monkeypatch.setattr("driftline.batch.conversion.merge_batches", merge_most)
    score = service.model().predict(returns(np.zeros(2)))
    for i in range(4):
        score(np.full((2, 3), float(i)))
    model_rows = [table.features["f0"].numbers for table in _tables(service)]

    assert [rows.tolist() for rows in model_rows if rows is not None] == [[0.0, 0.0, 1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]


def _tables(service: Service) -> list[Any]:
    service.flush()
    return service.tables()


@pytest.mark.parametrize(
    "row",
    [
        lambda x: {"x": x},
        lambda x: [x],
        lambda x: (x,),
    ],
)
def test_an_unreadable_row_of_a_batch_is_one_without_features(service: Service, row: Callable[[Any], Any]) -> None:
    rows = [row(float(i)) for i in range(1000)]
    rows[BAD] = row(Unreadable())
    service.model().predict(returns(np.zeros(1000)))(rows)
    (table,) = _tables(service)
    (name,) = table.features

    assert np.flatnonzero(np.isnan(table.features[name].numbers)).tolist() == [BAD]
    assert len(table) == 1000


def test_an_id_that_cannot_be_read_is_made_up_and_the_others_are_as_given(service: Service) -> None:
    ids = [*range(1000)]
    ids[BAD] = 10**5000

    @service.model().predict(id="order")
    def score(X: Any, order: Any) -> Any:  # noqa: ARG001
        return np.zeros(1000)

    score(np.zeros((1000, 2)), ids)

    found = _ids(service)
    assert found[BAD].endswith(f".{BAD}")
    assert [id for id in found if id != found[BAD]] == _expected()


@pytest.mark.parametrize("never", ["9999-12-31", 5e10, 1e30])
def test_a_time_beyond_all_times_is_now_and_takes_no_neighbour_with_it(service: Service, never: Any) -> None:
    score = service.model().predict(returns(np.zeros(2)), time="until")
    score([{"x": 1.0, "until": 1_795_000_000}, {"x": 2.0, "until": never}])
    single = service.model("single").predict(returns(0.25), time="until")
    single({"x": 1.0, "until": 1_795_000_000})
    single({"x": 2.0, "until": never})

    assert [table.time.tolist() for table in service.tables()] == [[1_795_000_000 * 10**9, NOW]] * 2


def test_what_only_says_that_it_is_a_number_takes_no_neighbour_with_it(service: Service) -> None:
    class Liar:
        __class__ = float  # type: ignore[assignment]

    results: list[Any] = [0.25] * 10

    @service.model().predict(id="id")
    def score(row: dict[str, Any]) -> Any:
        return results[int(row["id"])]

    for i in range(10):
        results[i] = Liar() if i == 6 else 0.25
        assert score({"id": i, "x": Liar() if i == 3 else 0.5}) is results[i]

    ids = _ids(service)
    assert sorted(set(ids) & set("0123456789")) == list("012456789")
    assert len(ids) == 10  # row 3 is one without features, and so without its id


def test_an_item_that_only_says_that_it_is_a_text_takes_no_ranking_with_it(service: Service) -> None:
    class Liar:
        __class__ = str  # type: ignore[assignment]

        def __str__(self) -> str:
            raise ZeroDivisionError("hostile")

    results: list[Any] = [{"a": 0.5, "b": 0.25}, {Liar(): 0.5}, {"c": 0.75}]

    @service.model(task="ranking").predict
    def rank(row: dict[str, Any]) -> Any:
        return results[int(row["x"])]

    for i in range(3):
        assert rank({"x": float(i)}) is results[i]
    items = service.table().items
    assert items is not None
    assert np.diff(items.offsets).tolist() == [2, 0, 1]
    assert items.ids.categories == ("a", "b", "c")


def test_a_baseline_that_cannot_be_sent_keeps_no_row_back(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    baseline = events.DRIFTLINE_BASELINE
    record = otlp_logs.log_record

    def record_most(event: str, *args: Any, **kwargs: Any) -> Any:
        if event == baseline:
            raise ZeroDivisionError("hostile")
        return record(event, *args, **kwargs)

    monkeypatch.setattr(records, "log_record", record_most)
    model = service.model()
    frames = records.frames
    monkeypatch.setattr(records, "frames", lambda p, o, _, counted: frames(p, o, [(model._identity, "{}")], counted))
    model.predict(returns(0.25))({"x": 1.0})
    service.flush()

    assert [len(table) for table in service.tables()] == [1]


@given(st.lists(st.booleans(), max_size=60))
def test_what_is_sound_is_made_once_in_order(sound: list[bool]) -> None:
    FAULTS.raising = False
    FAULTS.drain()

    def make(rows: Sequence[tuple[int, bool]]) -> list[int]:
        if not all(is_sound for _, is_sound in rows):
            raise ZeroDivisionError
        return [i for i, _ in rows]

    made = retry_in_halves(list(enumerate(sound)), make, "rows")
    assert [i for some in made for i in some] == [i for i, is_sound in enumerate(sound) if is_sound]
    assert (sum(FAULTS.drain().values()) == 0) == all(sound)


def test_where_all_are_bad_the_search_ends() -> None:
    tried: list[int] = []

    def make(rows: Sequence[int]) -> None:
        tried.append(len(rows))
        if rows[0] < 2500:
            raise ZeroDivisionError

    made = retry_in_halves(range(5000), make, "rows")
    assert len(tried) < MOST_FAILURES + 20
    assert len(made) == 1
    assert max(tried[MOST_FAILURES:]) == 2500  # what is left is given up whole, or is sound as a whole
