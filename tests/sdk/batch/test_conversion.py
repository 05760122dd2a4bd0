"""Rows and batches become one record, whatever each of them lacks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from driftline.batch import prediction_batch
from driftline.inputs.pandas import series_column
from driftline.inputs.values import column_of_clean, column_of_values
from driftline.tables.column_codec import strings
from driftline.tables.table import Column
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from tests.support.service import Service, returns


@pytest.mark.parametrize("n", [0, 1, 10, 5000, 5001])
def test_made_up_ids_count_the_rows(n: int) -> None:
    assert strings(prediction_batch.numbered_ids("é-7", n)) == [f"é-7.{i}" for i in range(n)]


@given(st.lists(st.lists(st.text(max_size=3) | st.integers() | st.none(), max_size=4), min_size=1, max_size=4))
def test_ids_are_joined_and_cut_as_lists_are(parts: list[list[object]]) -> None:
    laid = [prediction_batch.given_ids(part, "p") for part in parts]
    whole = [text for part in laid for text in strings(part)]
    together = prediction_batch.join_ids(laid)
    assert strings(together) == whole
    first = min(1, len(whole))
    assert strings(prediction_batch.cut_ids(together, first, len(whole))) == whole[first:]


def test_one_record_holds_sampled_and_unsampled_rows_and_failed_ones(service: Service) -> None:
    unsampled = Service(ALWAYS_OFF)
    unsampled.channel, unsampled.meters = service.channel, service.meters
    seen, unseen = service.model().predict(returns(0.75)), unsampled.model().predict(returns(0.25))

    @service.model().predict
    def failing(features: object) -> float:
        raise KeyError(features)

    seen({"x": 1.0})
    with pytest.raises(KeyError):
        failing({"x": 2.0})
    seen(np.array([[3.0], [4.0]]))
    unseen({"x": 5.0})
    tables = service.tables()
    spans = {span.attributes["ml.prediction.id"]: span for span in service.spans if span.attributes}
    found: dict[str, bytes] = {}
    for table in tables:
        sampled = np.zeros(len(table), "V16") if table.trace_id is None else table.trace_id
        found |= {id: trace.tobytes() for id, trace in zip(strings(table.id), sampled, strict=True)}
    batch = next(id for id, span in spans.items() if "ml.prediction.count" in (span.attributes or {}))
    for id, trace in found.items():
        span = spans.get(id) or (spans[batch] if id.startswith(str(batch)) else None)
        expected = 0 if span is None or span.context is None else span.context.trace_id
        assert int.from_bytes(trace) == expected
    assert len(found) == 5
    assert sum(trace == bytes(16) for trace in found.values()) == 1
    assert service.counts() == {
        (("ml.prediction.class", "1"),): 1,
        (("ml.prediction.class", "0"),): 1,
        (("error.type", "KeyError"),): 1,
        (): 2,
    }


@pytest.mark.parametrize("dtype", ["str", "string", "string[python]", "object"])
def test_texts_of_pandas_are_categories_by_first_sight(dtype: str) -> None:
    column = series_column(pd.Series(["b", None, "a", "b"], dtype=dtype))
    assert isinstance(column, Column)
    assert column.categories == ("b", "a")
    assert column.codes is not None
    assert column.codes.tolist() == [0, -1, 1, 0]
    assert column.codes.dtype == np.int32


@given(
    st.lists(
        st.floats(allow_nan=False) | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.none(),
        min_size=1,
    )
)
def test_the_quick_way_from_values_to_a_column_is_the_general_one(values: list[object]) -> None:
    quick, general = column_of_clean(tuple(values)), column_of_values(values)
    if isinstance(general, Column):
        assert isinstance(quick, Column)
        assert quick.categories == general.categories
        assert np.array_equal(quick.codes, general.codes)  # type: ignore[arg-type]
    else:
        assert not isinstance(quick, Column)
        assert quick.dtype == general.dtype
        assert np.array_equal(quick, general, equal_nan=general.dtype.kind == "f")
