"""The special functions load scipy with their first call; constants that are quantiles are scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from driftline_processor.core import special_functions
from driftline_processor.core.drift import normal_variation
from driftline_processor.core.estimate import importance_weighting, point
from driftline_processor.core.intervals import confidence
from driftline_processor.core.intervals.confidence import CONFIDENCE
from driftline_processor.core.performance import objective_states, sample_size
from driftline_processor.core.quality import feature_sums
from scipy import special

FUNCTIONS = {
    name: function
    for name, function in vars(special_functions).items()
    if isinstance(function, special_functions.SpecialFunction)
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_that_of_scipy_by_its_name(name: str) -> None:
    assert FUNCTIONS[name].name == name
    assert callable(getattr(special, name))


def test_a_function_takes_numbers_and_arrays() -> None:
    assert special_functions.ndtri(0.5) == 0.0
    np.testing.assert_array_equal(
        special_functions.betainc(2.0, [3.0, 4.0], 0.5), special.betainc(2.0, [3.0, 4.0], 0.5)
    )


@pytest.mark.parametrize(
    ("constant", "quantile"),
    [
        (normal_variation.BY_CHANCE, special.ndtri(0.95)),
        (feature_sums.BY_CHANCE, special.kolmogi(0.01)),
        (point.DEVIATIONS, special.ndtri((1 + CONFIDENCE) / 2)),
        (objective_states.POWER, special.ndtri(objective_states._TELLS)),
        (confidence.NORMAL, special.ndtri((1 + CONFIDENCE) / 2)),
        (sample_size.REACH, special.ndtri((1 + CONFIDENCE) / 2) + special.ndtri(objective_states._TELLS)),
        (
            importance_weighting._STUDENT_QUANTILE,
            special.stdtrit(importance_weighting.GROUPS - 1, (1 + CONFIDENCE) / 2),
        ),
    ],
)
def test_a_quantile_that_is_written_down_is_that_of_scipy(constant: float, quantile: float) -> None:
    assert constant == pytest.approx(float(quantile), rel=1e-15)
