"""What a window counts towards a change of state."""

from __future__ import annotations

import pytest
from driftline_processor.core.verdict.reading import read_window
from driftline_processor.core.verdict.runs import TO_TURN, weight_of
from driftline_processor.core.windows.window import Window
from msgspec.structs import replace

from tests.support.verdict_windows import DAY, JULY, change, known


@pytest.mark.parametrize("window", [Window("1d", JULY, JULY + DAY), Window("", 0, 0)])
@pytest.mark.parametrize(("p", "weight"), [(0.0001, TO_TURN), (0.001, 1)])
def test_a_rare_loss_of_a_day_or_of_rows_without_times_is_enough(window: Window, p: float, weight: int) -> None:
    loss = change("worse", 0.06, 0.01, 0.11, p_value=p)
    reading = replace(read_window(replace(known(changes={"log_loss": loss}), window=window)), clear=False)
    assert weight_of(reading) == weight
