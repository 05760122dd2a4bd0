"""What slices promise: a few windows of each row always, all of them with ``-m simulation``."""

from __future__ import annotations

import json

import pytest
from scipy import stats

from .sliced import BEGIN, END, PAGE, RESULTS, ROWS, Row, measure, table


def holds(row: Row, figures: dict[str, float]) -> bool:
    """Whether the figures are no evidence, at one in a thousand, that a promise is not kept."""
    windows = int(figures["windows"])
    if row.most is not None:
        return bool(stats.binom.sf(round(figures["alarm"] * windows) - 1, windows, row.most) > 0.001)
    assert row.least is not None
    return bool(stats.binom.cdf(round(figures["found"] * windows), windows, row.least) > 0.001)


@pytest.mark.parametrize("name", list(ROWS))
def test_slices_keep_what_is_promised_in_a_few_windows(name: str) -> None:
    assert holds(ROWS[name], measure(ROWS[name].world, ROWS[name].short, 7))


@pytest.mark.simulation
@pytest.mark.parametrize("name", list(ROWS))
def test_slices_keep_what_is_promised_in_full(name: str) -> None:
    assert holds(ROWS[name], measure(ROWS[name].world, ROWS[name].windows, 2))


def test_the_page_has_the_table_of_slices_that_was_simulated() -> None:
    assert PAGE.read_text().split(BEGIN)[1].split(END)[0] == table()
    known = json.loads(RESULTS.read_text())
    assert all(holds(row, known[name]) for name, row in ROWS.items())
    assert known["slices-moved"]["whole"] == 0.0
