"""What slices say leaves with all its digits: one may be the number of a customer, by whom rows are deleted."""

from __future__ import annotations

from typing import Any

import driftline
import driftline.testing
import numpy as np
import pytest

BIG = 1234567890123456789


@pytest.mark.parametrize(
    "said",
    [[BIG, BIG + 1], [BIG, None], [BIG, "x"], [np.int64(BIG), np.int64(BIG + 1)], [np.int64(BIG), None]],
)
def test_whole_numbers_of_slices_keep_their_digits(said: list[Any]) -> None:
    model = driftline.Model("digits", task="binary")

    @model.predict(features="row", slices=lambda **said: {"customer": said["customer"]})
    def score(row: dict[str, float], customer: object) -> float:
        return row["a"] if customer is None else 0.25

    with driftline.testing.capture() as captured:
        for customer in said:
            score(row={"a": 1.0}, customer=customer)
    assert [str((one.slices or {}).get("customer")) for one in captured.predictions] == [str(one) for one in said]
