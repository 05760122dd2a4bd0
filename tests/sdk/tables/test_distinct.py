"""The different values of whole numbers are numpy's, whatever their type."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.tables.distinct import sorted_distinct
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint64])
@given(st.lists(st.integers(-(2**31), 2**31 - 1)))
def test_the_different_values_are_those_of_numpy(dtype: type[np.integer], values: list[int]) -> None:
    some = np.array(values, np.int64).astype(dtype)
    found = sorted_distinct(some)
    assert found.dtype == dtype
    assert np.array_equal(found, np.unique(some))
