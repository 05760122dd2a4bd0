"""A baseline that was built for another model is not compared, and the log says why."""

from __future__ import annotations

import driftline
import pytest

BASELINE = driftline.Baseline.from_frame(
    {"age": [float(age) for age in range(200)]}, score=[0.25] * 200, model="tumour", task="binary"
)


@pytest.mark.parametrize(("name", "lines"), [("tumor", 1), ("tumour", 0)])
def test_the_log_names_both_models_once(name: str, lines: int, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        driftline.Model(name, baseline=BASELINE)
    told = [record.getMessage() for record in caplog.records if "was built for the model" in record.getMessage()]
    assert len(told) == lines
    assert all("of the model tumor was built for the model tumour" in line for line in told)
